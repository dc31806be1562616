import type { Descriptor } from '../image/descriptor.ts'
import type { ContentStore } from '../store/store.ts'

/** A blob as it is, from store to store; in the same store it is there already, and gets the labels. */
export async function copyBlob(
  from: ContentStore,
  to: ContentStore,
  blob: Descriptor,
  labels: Record<string, string> = {},
): Promise<void> {
  const { digest, size } = blob
  if (from === to || (await to.adopt?.(from, blob)) === true) {
    await to.setLabels(digest, labels)
    return
  }
  const writer = await to.writer(`copy-${digest.slice('sha256:'.length)}`)
  try {
    for await (const piece of from.read(digest)) await writer.write(piece)
    await writer.commit({ digest, sizeBytes: size, labels })
  } catch (error) {
    await writer.abort()
    throw error
  }
}

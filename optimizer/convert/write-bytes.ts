/** Small blobs, whole in memory. */
import type { Descriptor } from '../image/descriptor.ts'
import { digestOf } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'

/** The ingest is named by the digest: the same bytes are written one after the other. */
export async function writeBytes(
  content: ContentStore,
  { mediaType, bytes, labels = {} }: { mediaType: string; bytes: Buffer; labels?: Record<string, string> },
): Promise<Descriptor> {
  const digest = digestOf(bytes)
  const writer = await content.writer(`convert-${digest.slice('sha256:'.length)}`)
  try {
    await writer.write(bytes)
    await writer.commit({ digest, sizeBytes: bytes.length, labels })
  } catch (error) {
    await writer.abort()
    throw error
  }
  return { mediaType, digest, size: bytes.length }
}

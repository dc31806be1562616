/** Small blobs, whole in memory. */
import type { Descriptor } from '../image/descriptor.ts'
import { digestOf } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'

interface SmallBlob {
  mediaType: string
  bytes: Buffer
  labels?: Record<string, string>
  ref?: string
}

/** @param blob.ref names the ingest; by the digest when absent, which is enough for bytes that are not written twice at once */
export async function writeBytes(content: ContentStore, blob: SmallBlob): Promise<Descriptor> {
  const { mediaType, bytes, labels = {} } = blob
  const digest = digestOf(bytes)
  const writer = await content.writer(blob.ref ?? `convert-${digest.slice('sha256:'.length)}`)
  try {
    await writer.write(bytes)
    await writer.commit({ digest, sizeBytes: bytes.length, labels })
  } catch (error) {
    await writer.abort()
    throw error
  }
  return { mediaType, digest, size: bytes.length }
}

/** Small blobs, whole in memory. */
import type { Descriptor } from '../image/descriptor.ts'
import { digestOf } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'

/** @param ref names the ingest, unique within this run */
export async function writeBytes(
  content: ContentStore,
  ref: string,
  { mediaType, bytes, labels = {} }: { mediaType: string; bytes: Buffer; labels?: Record<string, string> },
): Promise<Descriptor> {
  const digest = digestOf(bytes)
  const writer = await content.writer(ref)
  try {
    await writer.write(bytes)
    await writer.commit({ digest, sizeBytes: bytes.length, labels })
  } catch (error) {
    await writer.abort()
    throw error
  }
  return { mediaType, digest, size: bytes.length }
}

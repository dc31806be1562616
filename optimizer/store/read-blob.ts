/** Parts of blobs, and whether they are there. */
import { NotFoundError } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'
import type { BlobInfo, ContentStore } from './store.ts'

/** undefined when there is no such blob. */
export async function infoOf(content: ContentStore, digest: Digest): Promise<BlobInfo | undefined> {
  try {
    return await content.info(digest)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

/** Fewer bytes where the blob ends before. @throws {NotFoundError} */
export async function readRange(
  content: ContentStore,
  digest: Digest,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of content.read(digest, { offsetBytes, lengthBytes })) pieces.push(piece)
  return Buffer.concat(pieces)
}

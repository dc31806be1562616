import type { Descriptor } from '../image/descriptor.ts'
import { digestOf } from '../image/digest.ts'
import { DOCUMENT_BYTES_MAX, DocumentError } from '../image/manifest.ts'
import type { ContentStore } from './store.ts'

/** A small blob, whole, checked. @throws {DocumentError} DOCUMENT_TOO_LARGE, DOCUMENT_CORRUPT */
export async function readDocument(
  content: ContentStore,
  descriptor: Descriptor,
  where: string,
): Promise<Buffer> {
  if (descriptor.size > DOCUMENT_BYTES_MAX) {
    throw new DocumentError(
      'DOCUMENT_TOO_LARGE',
      `${where} is said to have ${descriptor.size} bytes, at most ${DOCUMENT_BYTES_MAX} are read`,
    )
  }
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of content.read(descriptor.digest)) {
    pieces.push(piece)
    sizeBytes += piece.length
    if (sizeBytes > descriptor.size) break
  }
  const bytes = Buffer.concat(pieces)
  if (sizeBytes !== descriptor.size || digestOf(bytes) !== descriptor.digest) {
    throw new DocumentError(
      'DOCUMENT_CORRUPT',
      `${where} does not match its descriptor (${descriptor.digest}, ${descriptor.size} bytes): fetch the image again`,
    )
  }
  return bytes
}

/** Frames that plain readers of zstd pass over, appended to a blob. */
import type { BlobOutput } from './blob-format.ts'
import {
  encodeZstdFooter,
  type FramePosition,
  SKIPPABLE_HEADER_BYTES,
  skippableHeader,
  type ZstdChunkedFooter,
} from './zstd-footer.ts'

export async function emitFrame(
  output: BlobOutput,
  compressed: Buffer,
  uncompressedBytes: number,
): Promise<FramePosition> {
  const offset = output.offset + SKIPPABLE_HEADER_BYTES
  await output.raw(skippableHeader(compressed.length))
  await output.raw(compressed)
  return { offset, compressedBytes: compressed.length, uncompressedBytes }
}

export async function emitFooter(output: BlobOutput, footer: ZstdChunkedFooter): Promise<void> {
  const bytes = encodeZstdFooter(footer)
  await output.raw(Buffer.concat([skippableHeader(bytes.length), bytes]))
}

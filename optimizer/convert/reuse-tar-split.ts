/** Whether the tar-split data of a layer in the containers dialect make this very tar, as a conversion's would. */
import { containersEntry } from '../estargz/containers-toc.ts'
import { Crc64 } from '../estargz/crc64.ts'
import type { LayerToc, ReadAt } from '../estargz/reader.ts'
import { TarSplitText } from '../estargz/tar-split.ts'
import { readTarSplit } from '../estargz/zstdchunked-reader.ts'
import type { Digest } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { LayerView } from './read-window.ts'

/** Header blocks in base64 and a line around each; more than this for each byte of the tar is no layer's. */
const TEXT_BYTES_PER_TAR_BYTE = 4
const PIECE_BYTES = 256 * 1024
const READ_BYTES = 4 * 1024 * 1024

/**
 * Of a layer that readers in parts would get wrong: whether it has none.
 * @param read the layer's blob
 * @throws {TocError} they cannot be read
 */
export async function tarSplitIsAsWanted(layer: LayerView, read: ReadAt, found: LayerToc): Promise<boolean> {
  const position = found.frames?.tarSplit
  const { tarSplitDigest } = found.toc as { tarSplitDigest?: Digest }
  if (position === undefined || tarSplitDigest === undefined)
    return position === undefined && tarSplitDigest === undefined && !(await isExact(layer))
  const bytesMax = layer.uncompressedBytes * TEXT_BYTES_PER_TAR_BYTE
  const text = await readTarSplit(read, position, tarSplitDigest, bytesMax)
  return await isTextOf(layer, text)
}

async function isExact(layer: LayerView): Promise<boolean> {
  for (const { headerOffset, headerBytes } of layer.entries)
    if (!containersEntry(await layer.read(headerOffset, headerBytes)).isExact) return false
  return true
}

/** And whether readers in parts get the layer right. */
async function isTextOf(layer: LayerView, text: Buffer): Promise<boolean> {
  let matched = 0
  let holds = true
  const lines = new TarSplitText(PIECE_BYTES, (piece) => {
    holds &&= piece.equals(text.subarray(matched, matched + piece.length))
    matched += piece.length
  })
  let position = 0
  for (const entry of layer.entries) {
    const { headerOffset, headerBytes, payloadOffset, sizeBytes } = entry
    const bytes = await layer.read(position, headerOffset + headerBytes - position)
    if (!containersEntry(bytes.subarray(headerOffset - position)).isExact) return false
    lines.segment(bytes)
    const checksum = sizeBytes === 0 ? {} : { checksum: await checksumOf(layer, entry) }
    lines.file({ name: entry.name.toString('utf8'), sizeBytes, ...checksum })
    position = payloadOffset + sizeBytes
    if (!holds) return false
  }
  lines.segment(await layer.read(position, layer.uncompressedBytes - position))
  lines.end()
  return holds && matched === text.length
}

async function checksumOf(layer: LayerView, { payloadOffset, sizeBytes }: TarEntry): Promise<Buffer> {
  const sum = new Crc64()
  for (let offset = 0; offset < sizeBytes; offset += READ_BYTES)
    sum.update(await layer.read(payloadOffset + offset, Math.min(READ_BYTES, sizeBytes - offset)))
  return sum.digest()
}

/** A zstd:chunked layer taken apart by the numbers of its footer, and put together anew around what has changed. */
import { decompressFrames } from '../../native/zstd.ts'
import type { Toc } from '../../optimizer/estargz/toc.ts'
import type { ZstdChunkedDialect } from '../../optimizer/estargz/zstd-footer.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { LayerParts } from './converted-image.ts'
import { skippable, zstdFrame } from './zstd.ts'

const HEADER_BYTES = 8
const TEXT_BYTES_MAX = 2 ** 28
const MARKS: Record<ZstdChunkedDialect, string> = { stargz: 'GnUlInUx', containers: 'GNUlInUx' }

export interface ZstdLayer {
  dialect: ZstdChunkedDialect
  /** The frames of the tar. */
  content: Buffer
  json: Buffer
  /** Of the containers dialect, in a layer that can be pulled in parts. */
  tarSplit: string | null
  /** The same as it is stored; made anew with the text. */
  storedTarSplit: Buffer
}

/** Where things lie, as the last 40 or 64 bytes say. */
export function footerOf(blob: Buffer): { dialect: ZstdChunkedDialect; numbers: number[] } {
  const dialect = blob.toString('latin1', blob.length - 8) === MARKS.stargz ? 'stargz' : 'containers'
  const footer = blob.subarray(dialect === 'stargz' ? -40 : -64, -8)
  const numbers = Array.from({ length: footer.length / 8 }, (_, n) => Number(footer.readBigUInt64LE(n * 8)))
  return { dialect, numbers }
}

export function zstdLayerOf(blob: Buffer): ZstdLayer {
  const { dialect, numbers } = footerOf(blob)
  const [toc = 0, tocBytes = 0, , , split = 0, splitBytes = 0] = numbers
  const inflated = (at: number, bytes: number) =>
    decompressFrames(blob.subarray(at, at + bytes), TEXT_BYTES_MAX)
  return {
    dialect,
    content: blob.subarray(0, toc - HEADER_BYTES),
    json: inflated(toc, tocBytes),
    tarSplit: split === 0 ? null : inflated(split, splitBytes).toString(),
    storedTarSplit: blob.subarray(split, split + splitBytes),
  }
}

export const zstdTocOf = (blob: Buffer): Toc => JSON.parse(zstdLayerOf(blob).json.toString())

/** The layer with what has changed; frames, footer and annotations as they should be for it. */
export function rebuildZstd(layer: LayerParts, changes: Partial<ZstdLayer>, level = 19): void {
  const parts = { ...zstdLayerOf(layer.blob), ...changes }
  const { dialect, content, tarSplit } = parts
  const stored =
    changes.tarSplit === undefined ? parts.storedTarSplit : zstdFrame(Buffer.from(tarSplit ?? ''))
  const split = tarSplit === null ? null : stored
  const json = changes.json ?? (split === null ? parts.json : withDigest(parts.json, digestOf(split)))
  const toc = zstdFrame(json, level)
  const tocAt = content.length + HEADER_BYTES
  const numbers = [tocAt, toc.length, json.length, 1]
  const splitAt = tocAt + toc.length + HEADER_BYTES
  if (dialect === 'containers')
    numbers.push(...(split === null ? [0, 0, 0] : [splitAt, split.length, Buffer.byteLength(tarSplit ?? '')]))
  layer.blob = Buffer.concat([
    content,
    skippable(toc),
    ...(split === null ? [] : [skippable(split)]),
    skippable(footer(dialect, numbers)),
  ])
  annotate(layer, json, toc, numbers)
}

function withDigest(json: Buffer, tarSplitDigest: string): Buffer {
  return Buffer.from(JSON.stringify({ ...JSON.parse(json.toString()), tarSplitDigest }))
}

function annotate(layer: LayerParts, json: Buffer, toc: Buffer, numbers: number[]): void {
  const [tocAt, tocBytes, jsonBytes, , ...split] = numbers
  const position = `${tocAt}:${tocBytes}:${jsonBytes}:1`
  const { annotations } = layer
  for (const key of Object.keys(annotations)) {
    if (key.endsWith('zstd-chunked.manifest-position')) annotations[key] = position
    if (key.endsWith('zstd-chunked.manifest-checksum')) annotations[key] = digestOf(toc)
    if (key.endsWith('zstd-chunked.tarsplit-position')) annotations[key] = split.join(':')
    if (key.endsWith('stargz/toc.digest')) annotations[key] = digestOf(json)
    if (key.endsWith('uncompressed-size'))
      annotations[key] = String(decompressFrames(layer.blob, TEXT_BYTES_MAX).length)
  }
}

function footer(dialect: ZstdChunkedDialect, numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 8)
  for (const [index, number] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(number), index * 8)
  return Buffer.concat([bytes, Buffer.from(MARKS[dialect])])
}

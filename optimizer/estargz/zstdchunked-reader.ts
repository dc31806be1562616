/** The end of a zstd:chunked blob of either dialect: its footer, its TOC, and where else it has frames to skip. */
import { decompressFrames } from '../../native/zstd.ts'
import { messageOf } from '../../shared/errors.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { ReadAt } from './reader.ts'
import { TocError } from './toc.ts'
import { requireStoredTocBytes, TOC_BYTES_MAX } from './toc-member.ts'
import {
  FOOTER_BYTES,
  type FramePosition,
  isSkippableHeader,
  parseZstdFooter,
  SKIPPABLE_HEADER_BYTES,
  type ZstdChunkedDialect,
} from './zstd-footer.ts'

/** What the annotations of the layer must say besides the TOC's digest. */
export interface ZstdFrames {
  toc: FramePosition
  /** Of the compressed TOC: the manifest checksum of both dialects. */
  compressedTocDigest: Digest
  /** Of the containers dialect; undefined in a layer that cannot be pulled in parts. */
  tarSplit?: FramePosition
}

export interface ZstdToc {
  dialect: ZstdChunkedDialect
  json: Buffer
  /** Compressed bytes of the tar. */
  contentBytes: number
  frames: ZstdFrames
}

/**
 * @param tail the last bytes of the blob
 * @returns undefined when they are no footer of zstd:chunked
 * @throws {TocError} they are, but the frames are not where and what it says
 */
export async function readZstdToc(
  read: ReadAt,
  blobBytes: number,
  tail: Buffer,
): Promise<ZstdToc | undefined> {
  const footer = parseZstdFooter(tail)
  if (footer === undefined) return undefined
  const { dialect, toc, tarSplit } = footer
  const footerStart = blobBytes - FOOTER_BYTES[dialect] - SKIPPABLE_HEADER_BYTES
  requireOrder(toc, tarSplit, footerStart, blobBytes)
  requireStoredTocBytes(toc.compressedBytes)
  await requireFrame(read, footerStart, FOOTER_BYTES[dialect], 'the footer')
  const compressed = await readFrame(read, toc, 'the TOC')
  if (tarSplit !== undefined) {
    await requireFrame(
      read,
      tarSplit.offset - SKIPPABLE_HEADER_BYTES,
      tarSplit.compressedBytes,
      'the tar-split data',
    )
  }
  return {
    dialect,
    json: decompress(compressed, toc, TOC_BYTES_MAX, 'the TOC'),
    contentBytes: toc.offset - SKIPPABLE_HEADER_BYTES,
    frames: {
      toc,
      compressedTocDigest: digestOf(compressed),
      ...(tarSplit === undefined ? {} : { tarSplit }),
    },
  }
}

/**
 * The tar-split data: lines of JSON that, with the contents of the files, make the tar again.
 * @param expected digest of its compressed bytes, from the TOC
 * @throws {TocError}
 */
export async function readTarSplit(
  read: ReadAt,
  position: FramePosition,
  expected: Digest,
  bytesMax: number,
): Promise<Buffer> {
  const compressed = await readStoredTarSplit(read, position, expected)
  return decompress(compressed, position, bytesMax, 'the tar-split data')
}

/** The same as it is stored. */
export async function readStoredTarSplit(
  read: ReadAt,
  position: FramePosition,
  expected: Digest,
): Promise<Buffer> {
  requireStoredTocBytes(position.compressedBytes)
  const compressed = await readFrame(read, position, 'the tar-split data')
  const found = digestOf(compressed)
  if (found !== expected) {
    throw malformed(`the tar-split data has ${found}, the TOC says ${expected}`)
  }
  return compressed
}

/** TOC, tar-split data and footer follow each other without a gap. */
function requireOrder(
  toc: FramePosition,
  tarSplit: FramePosition | undefined,
  footerStart: number,
  blobBytes: number,
): void {
  let next = footerStart
  for (const position of tarSplit === undefined ? [toc] : [tarSplit, toc]) {
    const start = position.offset - SKIPPABLE_HEADER_BYTES
    if (start < 0 || position.compressedBytes === 0 || position.offset + position.compressedBytes !== next) {
      throw malformed(`the footer names the offset ${position.offset} in a blob of ${blobBytes} bytes`)
    }
    next = start
  }
}

async function requireFrame(read: ReadAt, start: number, contentBytes: number, what: string): Promise<void> {
  const header = start < 0 ? Buffer.alloc(0) : await read(start, SKIPPABLE_HEADER_BYTES)
  if (isSkippableHeader(header, contentBytes)) return
  throw malformed(`${what} is not in a skippable frame of ${contentBytes} bytes`)
}

async function readFrame(read: ReadAt, position: FramePosition, what: string): Promise<Buffer> {
  const { offset, compressedBytes } = position
  const start = offset - SKIPPABLE_HEADER_BYTES
  const frame = await read(start, SKIPPABLE_HEADER_BYTES + compressedBytes)
  const header = frame.subarray(0, SKIPPABLE_HEADER_BYTES)
  if (isSkippableHeader(header, compressedBytes)) return frame.subarray(SKIPPABLE_HEADER_BYTES)
  throw malformed(`${what} is not in a skippable frame of ${compressedBytes} bytes`)
}

function decompress(compressed: Buffer, position: FramePosition, bytesMax: number, what: string): Buffer {
  const { uncompressedBytes } = position
  if (uncompressedBytes > bytesMax) {
    throw malformed(`${what} is ${uncompressedBytes} bytes, more than any layer's`)
  }
  let document: Buffer
  try {
    document = decompressFrames(compressed, uncompressedBytes)
  } catch (cause) {
    throw malformed(`${what} cannot be decompressed: ${messageOf(cause)}`, cause)
  }
  if (document.length === uncompressedBytes) return document
  throw malformed(`${what} is ${document.length} bytes, the footer says ${uncompressedBytes}`)
}

function malformed(what: string, cause?: unknown): TocError {
  return new TocError('TOC_MALFORMED', what, cause === undefined ? {} : { cause })
}

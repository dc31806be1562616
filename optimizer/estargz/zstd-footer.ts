/**
 * What a zstd:chunked blob has beyond frames of a tar: the TOC in a frame that plain readers skip, in the containers
 * dialect a further one with the tar's own bytes around the contents, and a footer in a frame that says where these
 * are. Pure.
 *
 * @see stargz-snapshotter, estargz/zstdchunked/zstdchunked.go; containers/storage, pkg/chunked/internal/minimal;
 * RFC 8878, section 3.1.2, "Skippable Frames"
 */

import { ZERO_BLOCK } from '../tar/header.ts'

/** What ends the tar, in a frame of its own before the TOC. */
export const END_OF_ARCHIVE = Buffer.concat([ZERO_BLOCK, ZERO_BLOCK])

/** Two families of readers; neither reads the other's blobs in parts. */
export const DIALECTS = ['stargz', 'containers'] as const
export type ZstdChunkedDialect = (typeof DIALECTS)[number]

export const SKIPPABLE_HEADER_BYTES = 8
const SKIPPABLE_MAGIC = 0x184d2a50
/** "GnUlInUx" and "GNUlInUx". */
const FOOTER_MAGIC: Record<ZstdChunkedDialect, Buffer> = {
  stargz: Buffer.from('476e556c496e5578', 'hex'),
  containers: Buffer.from('474e556c496e5578', 'hex'),
}
export const FOOTER_BYTES: Record<ZstdChunkedDialect, number> = { stargz: 40, containers: 64 }
/** The only kind of TOC there is, that of CRFS. */
const TOC_TYPE = 1n

/** A compressed document in a skippable frame. */
export interface FramePosition {
  /** Of the document itself, behind the frame's header. */
  offset: number
  compressedBytes: number
  uncompressedBytes: number
}

export interface ZstdChunkedFooter {
  dialect: ZstdChunkedDialect
  toc: FramePosition
  /** Of the containers dialect. */
  tarSplit?: FramePosition
}

/** Header of a skippable frame of `contentBytes`. */
export function skippableHeader(contentBytes: number): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES)
  header.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  header.writeUInt32LE(contentBytes, 4)
  return header
}

/** Whether a skippable frame of exactly `contentBytes` begins here. */
export function isSkippableHeader(header: Buffer, contentBytes: number): boolean {
  return header.equals(skippableHeader(contentBytes))
}

/** The last bytes of the blob, without the header of their frame. */
export function encodeZstdFooter({ dialect, toc, tarSplit }: ZstdChunkedFooter): Buffer {
  const fields = [toc.offset, toc.compressedBytes, toc.uncompressedBytes, Number(TOC_TYPE)]
  if (tarSplit !== undefined)
    fields.push(tarSplit.offset, tarSplit.compressedBytes, tarSplit.uncompressedBytes)
  const footer = Buffer.alloc(FOOTER_BYTES[dialect])
  for (const [index, value] of fields.entries()) footer.writeBigUInt64LE(BigInt(value), index * 8)
  FOOTER_MAGIC[dialect].copy(footer, footer.length - 8)
  return footer
}

/** @param tail the last bytes of a blob, 64 where it has so many; undefined when no footer of this kind ends it */
export function parseZstdFooter(tail: Buffer): ZstdChunkedFooter | undefined {
  for (const dialect of ['containers', 'stargz'] as const) {
    if (tail.length < FOOTER_BYTES[dialect] || !tail.subarray(-8).equals(FOOTER_MAGIC[dialect])) continue
    const footer = tail.subarray(tail.length - FOOTER_BYTES[dialect])
    const fields = Array.from({ length: footer.length / 8 - 1 }, (_, index) =>
      footer.readBigUInt64LE(index * 8),
    )
    if (fields[3] !== TOC_TYPE || fields.some((field) => field > BigInt(Number.MAX_SAFE_INTEGER))) continue
    const position = (from: number): FramePosition => ({
      offset: Number(fields[from]),
      compressedBytes: Number(fields[from + 1]),
      uncompressedBytes: Number(fields[from + 2]),
    })
    const toc = position(0)
    const withTarSplit = dialect === 'containers' && fields[4] !== 0n
    return withTarSplit ? { dialect, toc, tarSplit: position(4) } : { dialect, toc }
  }
  return undefined
}

/**
 * What a manifest says of a zstd:chunked layer. A layer has the annotations of one dialect only: containers/storage
 * refuses one that has its own and eStargz's.
 */
import type { FramePosition } from './zstd-footer.ts'
import type { ZstdFrames } from './zstdchunked-reader.ts'

/** @see stargz-snapshotter, estargz/zstdchunked/zstdchunked.go */
export const STARGZ_ANNOTATION = {
  compressedTocDigest: 'io.containers.zstd-chunked.manifest-checksum',
  tocPosition: 'io.containers.zstd-chunked.manifest-position',
} as const

/** @see containers/storage, pkg/chunked/internal/minimal/compression.go */
export const CONTAINERS_ANNOTATION = {
  /** Of the compressed TOC: what readers of this dialect trust. */
  tocDigest: 'io.github.containers.zstd-chunked.manifest-checksum',
  tocPosition: 'io.github.containers.zstd-chunked.manifest-position',
  tarSplitPosition: 'io.github.containers.zstd-chunked.tarsplit-position',
} as const

/** The kind of TOC, that of CRFS. */
const TOC_TYPE = 1

export function stargzAnnotations({ toc, compressedTocDigest }: ZstdFrames): Record<string, string> {
  return {
    [STARGZ_ANNOTATION.compressedTocDigest]: compressedTocDigest,
    [STARGZ_ANNOTATION.tocPosition]: `${formatPosition(toc)}:${TOC_TYPE}`,
  }
}

/** None without tar-split data: with these alone a reader would have to trust contents that it cannot check. */
export function containersAnnotations({
  toc,
  tarSplit,
  compressedTocDigest,
}: ZstdFrames): Record<string, string> {
  if (tarSplit === undefined) return {}
  return {
    [CONTAINERS_ANNOTATION.tocDigest]: compressedTocDigest,
    [CONTAINERS_ANNOTATION.tocPosition]: `${formatPosition(toc)}:${TOC_TYPE}`,
    [CONTAINERS_ANNOTATION.tarSplitPosition]: formatPosition(tarSplit),
  }
}

function formatPosition({ offset, compressedBytes, uncompressedBytes }: FramePosition): string {
  return `${offset}:${compressedBytes}:${uncompressedBytes}`
}

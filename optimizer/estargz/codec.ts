/** How a member is compressed. Worker threads make one compressor for each codec they meet. */
import { createMemberCompressor, type EngineName, type MemberCompressor } from '../../native/compression.ts'

export interface Codec {
  engine: EngineName
  level: number
}

/** Not for two threads at once. @throws {UsageError} COMPRESSION_LEVEL_INVALID; {PreconditionError} ENGINE_MISSING */
export function createCompressor({ engine, level }: Codec): MemberCompressor {
  return createMemberCompressor(level, engine)
}

export function sameCodec(a: Codec, b: Codec): boolean {
  return a.engine === b.engine && a.level === b.level
}

/** Of a TOC by its size as JSON. */
export type TocCodec = (tocBytes: number) => Codec

/** A TOC is one member, which one thread compresses while nothing else of the layer is left to do. Some 12,000 files. */
export const LARGE_TOC_BYTES = 4 * 1024 * 1024

/**
 * @param hotCodec of what clients wait for
 * @param askedLevel kept whatever the size
 * @param largeLevel of TOCs beyond {@link LARGE_TOC_BYTES}
 */
export function tocCodecOf(hotCodec: Codec, askedLevel: number | null, largeLevel: number): TocCodec {
  const { engine, level } = hotCodec
  const largeCodec = { engine, level: Math.min(level, largeLevel) }
  return (tocBytes) => (askedLevel === null && tocBytes > LARGE_TOC_BYTES ? largeCodec : hotCodec)
}

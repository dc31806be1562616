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

/**
 * The level of a TOC that is larger than so many bytes of JSON. It is one member, which one thread compresses while nothing
 * else of the layer is left to do, so a large one does not get the best level. An entry of a file is some 300 bytes.
 */
export interface TocLevel {
  aboveBytes: number
  level: number
}

/**
 * @param hotCodec of what clients wait for, and of a TOC that is in none of `levels`
 * @param askedLevel kept whatever the size
 * @param levels the largest first
 */
export function tocCodecOf(
  hotCodec: Codec,
  askedLevel: number | null,
  levels: readonly TocLevel[],
): TocCodec {
  const { engine, level } = hotCodec
  return (tocBytes) => {
    const found = askedLevel === null ? levels.find(({ aboveBytes }) => tocBytes > aboveBytes) : undefined
    return found === undefined ? hotCodec : { engine, level: Math.min(level, found.level) }
  }
}

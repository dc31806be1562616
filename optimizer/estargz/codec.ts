/** How a member is compressed. Worker threads make one compressor for each codec they meet. */
import { createMemberCompressor, type EngineName, type MemberCompressor } from '../../native/compression.ts'

export interface Codec {
  engine: EngineName
  level: number
}

/** Not for two threads at once. @throws {UsageError} COMPRESSION_LEVEL_INVALID; {CodedError} ENGINE_MISSING */
export function createCompressor({ engine, level }: Codec): MemberCompressor {
  return createMemberCompressor(level, engine)
}

export function sameCodec(a: Codec, b: Codec): boolean {
  return a.engine === b.engine && a.level === b.level
}

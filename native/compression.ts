/**
 * Gzip members or zstd frames in batches. For gzip the engine is libdeflate where the addon carries it, else node:zlib.
 * Bytes differ per engine and version, so a result that promises reproducible bytes names both.
 */
import { versions } from 'node:process'
import { gzipSync } from 'node:zlib'
import { PreconditionError, UsageError } from '../shared/errors.ts'
import { AddonError, loadAddon } from './addon.ts'
import { ZstdFrameCompressor, zstdBinding } from './zstd.ts'

interface MemberCompressorBinding {
  compress(input: Uint8Array, chunks: Uint32Array, output: Uint8Array, members: Uint32Array): number
}

interface CompressionBinding {
  MemberCompressor?: new (level: number) => MemberCompressorBinding
  libdeflateVersion?: string
}

/** Of gzip. */
export const ENGINE_NAMES = ['libdeflate', 'zlib'] as const
export type EngineName = (typeof ENGINE_NAMES)[number] | 'zstd'

export interface CompressionEngine {
  name: EngineName
  version: string
  /** Levels go from 1 to this one. */
  levelMax: number
}

/**
 * Turns chunks into gzip members, each with the header MTIME 0, XFL 0, OS 255; or into zstd frames, each with its size
 * and a checksum.
 */
export interface MemberCompressor {
  /**
   * Compresses the chunks that lie one after the other in `input`; their members lie so in `output`.
   * @param memberLengths receives the length of each member
   * @returns bytes written to `output`
   */
  compress(
    input: Uint8Array,
    chunkLengths: Uint32Array,
    output: Uint8Array,
    memberLengths: Uint32Array,
  ): number
}

/**
 * Most bytes that the member of a chunk can have, for every engine and level: libdeflate allows for 5 bytes of
 * overhead in 5000, zlib for less, and both for a header and trailer of 18; zstd for one byte in 256.
 */
export function memberBytesMax(chunkBytes: number): number {
  return chunkBytes + Math.ceil(chunkBytes / 256) + 64
}

const LIBDEFLATE_LEVEL_MAX = 12
const ZLIB_LEVEL_MAX = 9
/** Levels 20 and above take a window that not every reader allows. */
const ZSTD_LEVEL_MAX = 19

function binding(): CompressionBinding {
  try {
    return loadAddon<CompressionBinding>()
  } catch (error) {
    // Compression alone can do without the addon; what cannot says so itself.
    if (error instanceof AddonError) return {}
    throw error
  }
}

/** The best engine of this machine for gzip, or the one asked for. @throws {PreconditionError} ENGINE_MISSING */
export function compressionEngine(name?: EngineName): CompressionEngine {
  if (name === 'zstd') return { name, version: zstdBinding().versionString(), levelMax: ZSTD_LEVEL_MAX }
  const { libdeflateVersion } = binding()
  if (libdeflateVersion !== undefined && name !== 'zlib') {
    return { name: 'libdeflate', version: libdeflateVersion, levelMax: LIBDEFLATE_LEVEL_MAX }
  }
  if (name === 'libdeflate') {
    throw new PreconditionError(
      'ENGINE_MISSING',
      'the native addon was built without libdeflate; install libdeflate-dev and run: npm run build:native',
    )
  }
  return { name: 'zlib', version: versions.zlib ?? 'unknown', levelMax: ZLIB_LEVEL_MAX }
}

/** @throws {UsageError} COMPRESSION_LEVEL_INVALID */
export function requireCompressionLevel(level: number, engine: CompressionEngine): void {
  if (Number.isInteger(level) && level >= 1 && level <= engine.levelMax) return
  throw new UsageError(
    'COMPRESSION_LEVEL_INVALID',
    `compression level ${level}: ${engine.name} has the levels 1 to ${engine.levelMax}`,
  )
}

/** Not for two threads at once. @throws {UsageError} COMPRESSION_LEVEL_INVALID; {PreconditionError} ENGINE_MISSING */
export function createMemberCompressor(level: number, name?: EngineName): MemberCompressor {
  const engine = compressionEngine(name)
  requireCompressionLevel(level, engine)
  if (engine.name === 'zstd') return new ZstdFrameCompressor(level)
  return engine.name === 'libdeflate' ? new LibdeflateMembers(level) : new ZlibMembers(level)
}

class LibdeflateMembers implements MemberCompressor {
  readonly #native: MemberCompressorBinding

  constructor(level: number) {
    const { MemberCompressor } = binding() as Required<CompressionBinding>
    this.#native = new MemberCompressor(level)
  }

  compress(input: Uint8Array, chunks: Uint32Array, output: Uint8Array, members: Uint32Array): number {
    return this.#native.compress(input, chunks, output, members)
  }
}

class ZlibMembers implements MemberCompressor {
  readonly #level: number

  constructor(level: number) {
    this.#level = level
  }

  compress(input: Uint8Array, chunks: Uint32Array, output: Uint8Array, members: Uint32Array): number {
    let read = 0
    let written = 0
    for (const [index, chunkBytes] of chunks.entries()) {
      const member = gzipSync(input.subarray(read, read + chunkBytes), { level: this.#level })
      member[8] = 0 // XFL
      member[9] = 255 // OS
      output.set(member, written)
      members[index] = member.length
      read += chunkBytes
      written += member.length
    }
    return written
  }
}

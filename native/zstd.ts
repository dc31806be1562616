/**
 * zstd, by the package zstd-napi, which is loaded when it is first needed. Its calls work on the calling thread:
 * what takes long belongs into a worker.
 *
 * @see RFC 8878; zstd.h
 */
import { createRequire } from 'node:module'
import { messageOf, PreconditionError } from '../shared/errors.ts'

type Binding = typeof import('zstd-napi/binding.js')

const require = createRequire(import.meta.url)
let loaded: Binding | undefined

/** @throws {PreconditionError} ENGINE_MISSING */
export function zstdBinding(): Binding {
  try {
    loaded ??= require('zstd-napi/binding.js') as Binding
    return loaded
  } catch (cause) {
    throw new PreconditionError(
      'ENGINE_MISSING',
      `zstd cannot be loaded: ${messageOf(cause)}; run: npm rebuild zstd-napi`,
      { cause },
    )
  }
}

/** Frames that ask for more memory than this are refused, as the command `zstd -d` does: 128 MiB. */
export const WINDOW_LOG_MAX = 27

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50

/** Whether bytes begin with a zstd frame, or with one that its readers skip. @see RFC 8878, section 3.1 */
export function isZstd(bytes: Buffer): boolean {
  if (bytes.length < 4) return false
  const magic = bytes.readUInt32LE(0)
  return magic === MAGIC || (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC
}

/** Frames one after the other, content of unknown size, pieces of any length. Skippable frames yield nothing. */
export class ZstdDecompressor {
  readonly #context
  /** The input so far ends inside a frame. */
  inFrame = false

  constructor() {
    const { DCtx, DParameter } = zstdBinding()
    this.#context = new DCtx()
    this.#context.setParameter(DParameter.windowLogMax, WINDOW_LOG_MAX)
  }

  /** Whatever came before, the next input begins a frame. */
  reset(): void {
    this.#context.reset(zstdBinding().ResetDirective.sessionOnly)
    this.inFrame = false
  }

  /**
   * Takes some of `input` and fills some of `output`: all of one or the other.
   * @throws with what zstd says of the bytes
   */
  step(input: Uint8Array, output: Uint8Array): { consumed: number; produced: number } {
    const [hint, produced, consumed] = this.#context.decompressStream(output, input)
    // With nothing taken and nothing given it only names the header's size of a frame to come.
    if (consumed > 0 || produced > 0) this.inFrame = hint !== 0
    return { consumed, produced }
  }
}

const GROWTH_BYTES = 1024 * 1024
/** One for the thread: memory of contexts is outside the heap, and a collection for thousands of them comes too late. */
let shared: ZstdDecompressor | undefined

/**
 * Whole frames at once, on the calling thread: for what is small, or in a worker.
 * @param outputBytesMax more than this is an error, however much memory there is
 * @throws with what zstd says of the bytes, or that they end inside a frame, or hold more
 */
export function decompressFrames(frames: Uint8Array, outputBytesMax: number): Buffer {
  shared ??= new ZstdDecompressor()
  shared.reset()
  const decompressor = shared
  const pieces: Buffer[] = []
  let bytes = 0
  let input = frames
  for (;;) {
    // One byte more than allowed, so that a further one is seen.
    const output = Buffer.allocUnsafe(Math.min(GROWTH_BYTES, outputBytesMax + 1 - bytes))
    const { consumed, produced } = decompressor.step(input, output)
    bytes += produced
    if (bytes > outputBytesMax) throw new Error(`it holds more than ${outputBytesMax} bytes`)
    pieces.push(output.subarray(0, produced))
    input = input.subarray(consumed)
    if (input.length === 0 && produced < output.length) break
  }
  if (decompressor.inFrame) throw new Error('it ends inside a frame')
  return Buffer.concat(pieces)
}

/** One frame of what comes bit by bit, on the calling thread. */
export class ZstdStream {
  readonly #context
  readonly #output: Buffer

  constructor(level: number) {
    const { CCtx, CParameter, cStreamOutSize } = zstdBinding()
    this.#context = new CCtx()
    this.#context.setParameter(CParameter.compressionLevel, level)
    this.#context.setParameter(CParameter.checksumFlag, 1)
    this.#output = Buffer.alloc(cStreamOutSize())
  }

  /** @returns what is ready of the frame */
  write(content: Uint8Array): Buffer {
    const pieces: Buffer[] = []
    for (let rest = content; rest.length > 0; ) {
      const [, produced, consumed] = this.#context.compressStream2(
        this.#output,
        rest,
        zstdBinding().EndDirective.continue,
      )
      pieces.push(Buffer.from(this.#output.subarray(0, produced)))
      rest = rest.subarray(consumed)
    }
    return Buffer.concat(pieces)
  }

  /** @returns the frame's last bytes */
  end(): Buffer {
    const pieces: Buffer[] = []
    for (let left = 1; left > 0; ) {
      const [unflushed, produced] = this.#context.compressStream2(
        this.#output,
        new Uint8Array(0),
        zstdBinding().EndDirective.end,
      )
      pieces.push(Buffer.from(this.#output.subarray(0, produced)))
      left = unflushed
    }
    return Buffer.concat(pieces)
  }
}

/**
 * One for the thread, whatever its levels: at the best one it takes tens of megabytes, which it gives back when a hundred
 * frames have not needed them.
 */
class SharedCompression {
  readonly #context
  #level = 0

  constructor() {
    const { CCtx, CParameter } = zstdBinding()
    this.#context = new CCtx()
    this.#context.setParameter(CParameter.contentSizeFlag, 1)
    this.#context.setParameter(CParameter.checksumFlag, 1)
  }

  at(level: number) {
    if (level !== this.#level) this.#context.setParameter(zstdBinding().CParameter.compressionLevel, level)
    this.#level = level
    return this.#context
  }
}

let compression: SharedCompression | undefined

/** Each chunk a frame of its own, on the calling thread. Frames depend on their chunk, the level and the version alone. */
export class ZstdFrameCompressor {
  readonly #level: number

  constructor(level: number) {
    this.#level = level
    // That zstd cannot be loaded is said here.
    zstdBinding()
  }

  /** As a member compressor. @returns bytes written to `output` */
  compress(
    input: Uint8Array,
    chunkLengths: Uint32Array,
    output: Uint8Array,
    frameLengths: Uint32Array,
  ): number {
    compression ??= new SharedCompression()
    const context = compression.at(this.#level)
    let read = 0
    let written = 0
    for (const [index, chunkBytes] of chunkLengths.entries()) {
      const chunk = input.subarray(read, read + chunkBytes)
      const frameBytes = context.compress2(output.subarray(written), chunk)
      frameLengths[index] = frameBytes
      read += chunkBytes
      written += frameBytes
    }
    return written
  }
}

/**
 * A blob's bytes decompressed, with word of where members and frames begin: that is what a lazily pulling client
 * relies on. Nothing here holds more than a piece at a time.
 */
import { pipeline } from 'node:stream/promises'
import { createGunzip, gunzipSync } from 'node:zlib'
import { isZstd, ZstdDecompressor } from '../../native/zstd.ts'
import { messageOf } from '../../shared/errors.ts'
import { GzipFormatError, gunzip, isGzip } from '../tar/gunzip.ts'
import { unzstd, ZstdFormatError } from '../tar/unzstd.ts'

/** Told of the compressed offset of a member or frame, before its first byte comes out. */
export type OnStart = (offset: number) => void

/** A byte stream that can be taken in parts. */
export class Input {
  readonly #iterator: AsyncIterator<Buffer>
  #ahead: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** The next bytes without taking them; fewer at the end of the stream. */
  async peek(bytes: number): Promise<Buffer> {
    while (this.#ahead.length < bytes) {
      const { done, value } = await this.#iterator.next()
      if (done) break
      this.#ahead = Buffer.concat([this.#ahead, value])
    }
    return this.#ahead.subarray(0, bytes)
  }

  /** The next `bytes`, or what there is of them. */
  async *take(bytes = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    for (let rest = bytes; rest > 0; ) {
      if (this.#ahead.length === 0) {
        const { done, value } = await this.#iterator.next()
        if (done) return
        this.#ahead = value
      }
      const piece = this.#ahead.subarray(0, rest)
      this.#ahead = this.#ahead.subarray(piece.length)
      rest -= piece.length
      if (piece.length > 0) yield piece
    }
  }
}

/** As containerd reads a layer: gzip, zstd or a bare tar, told from its first bytes. */
export async function* decompressed(input: Input): AsyncGenerator<Buffer> {
  const head = await input.peek(4)
  if (isGzip(head)) yield* gunzip(input.take())
  else if (isZstd(head)) yield* unzstd(input.take())
  else yield* input.take()
}

/** What this many bytes of deflate can hold, a thousand times as much, fits into memory. */
const AT_ONCE_BYTES_MAX = 64 * 1024
const OUTPUT_BYTES = 128 * 1024

/**
 * Gzip members between places at which one is said to begin, each stretch by itself.
 * @param starts ascending, from 0; the last stretch goes to the end
 * @throws {GzipFormatError} where a stretch is not exactly a number of whole members
 */
export async function* gunzipBetween(
  input: Input,
  starts: readonly number[],
  onStart: OnStart,
): AsyncGenerator<Buffer> {
  for (const [index, start] of starts.entries()) {
    onStart(start)
    const next = starts[index + 1]
    const stretch = input.take(next === undefined ? undefined : next - start)
    if (next !== undefined && next - start <= AT_ONCE_BYTES_MAX) yield await gunzipAtOnce(stretch)
    else yield* gunzipWhole(stretch)
  }
}

async function gunzipAtOnce(stretch: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stretch) pieces.push(piece)
  const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  let result: { buffer: Buffer; engine: { bytesWritten: number } }
  try {
    result = gunzipSync(bytes, { info: true }) as unknown as typeof result
  } catch (cause) {
    throw new GzipFormatError(messageOf(cause), { cause })
  }
  requireTaken(result.engine.bytesWritten, bytes.length)
  return result.buffer
}

async function* gunzipWhole(stretch: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const engine = createGunzip({ chunkSize: OUTPUT_BYTES })
  let stretchBytes = 0
  const counted = async function* () {
    for await (const piece of stretch) {
      stretchBytes += piece.length
      yield piece
    }
  }
  const fed = pipeline(counted, engine)
  fed.catch(() => {})
  try {
    for await (const piece of engine) yield piece as Buffer
    await fed
  } catch (cause) {
    throw isZlibError(cause) ? new GzipFormatError(messageOf(cause), { cause }) : cause
  }
  requireTaken(engine.bytesWritten, stretchBytes)
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_')
}

function requireTaken(takenBytes: number, stretchBytes: number): void {
  if (takenBytes !== stretchBytes) {
    throw new GzipFormatError(`${stretchBytes - takenBytes} bytes after its members are none`)
  }
}

/** Zstd frames; a piece is good until the next is asked for. @throws {ZstdFormatError} */
export async function* unzstdFrames(input: Input, onStart: OnStart): AsyncGenerator<Buffer> {
  const decompressor = new ZstdDecompressor()
  const output = Buffer.allocUnsafe(OUTPUT_BYTES)
  let offset = 0
  for await (const piece of input.take()) {
    for (let rest = piece; ; ) {
      if (!decompressor.inFrame && rest.length > 0) onStart(offset)
      const { consumed, produced } = step(decompressor, rest, output)
      offset += consumed
      rest = rest.subarray(consumed)
      if (produced > 0) yield output.subarray(0, produced)
      if (rest.length === 0 && produced < output.length) break
    }
  }
  if (decompressor.inFrame) throw new ZstdFormatError('it ends inside a frame')
}

function step(decompressor: ZstdDecompressor, input: Buffer, output: Buffer) {
  try {
    return decompressor.step(input, output)
  } catch (cause) {
    throw new ZstdFormatError(messageOf(cause), { cause })
  }
}

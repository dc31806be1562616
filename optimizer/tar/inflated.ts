/** A deflate stream of unknown length, inflated ahead of whoever takes it. */
import type { Inflater } from '../../native/inflate.ts'
import { messageOf } from '../../shared/errors.ts'
import { GzipFormatError, type GzipInput } from './gzip-input.ts'

/** Pieces whose memory is in use at the same time: one is being written, one is used, one is filled. */
const PIECES = 3
const PIECE_BYTES = 256 * 1024

/** Memory that pieces are made in. */
export class PieceMemory {
  readonly #isLent: boolean
  readonly #buffers: Buffer[] = []
  #pieces = 0

  /** @param isLent a piece is good until the second one after it is asked for; else for ever */
  constructor({ isLent }: { isLent: boolean }) {
    this.#isLent = isLent
  }

  next(): Buffer {
    const index = this.#isLent ? this.#pieces++ % PIECES : 0
    const buffer = this.#buffers[index] ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
    this.#buffers[index] = buffer
    return buffer
  }

  /** What lies in the last one given. */
  piece(filled: Buffer): Buffer {
    return this.#isLent ? filled : Buffer.from(filled)
  }
}

/**
 * From the stream's first byte to its last; what follows it is given back.
 * @throws {GzipFormatError}; errors of the source as they are
 */
export async function* inflated(
  inflater: Inflater,
  input: GzipInput,
  memory: PieceMemory,
): AsyncGenerator<Buffer> {
  const stream = new InflatedStream(inflater, input, memory)
  let coming = stream.next()
  try {
    for (let piece = await coming; piece !== undefined; piece = await coming) {
      coming = stream.next()
      // Whoever waits for it is told.
      coming.catch(() => {})
      yield piece
    }
  } finally {
    await coming.catch(() => {})
  }
}

class InflatedStream {
  readonly #inflater: Inflater
  readonly #input: GzipInput
  readonly #memory: PieceMemory
  #ended = false

  constructor(inflater: Inflater, input: GzipInput, memory: PieceMemory) {
    this.#inflater = inflater
    this.#input = input
    this.#memory = memory
  }

  /** Full but for the last; undefined after it. */
  async next(): Promise<Buffer | undefined> {
    if (this.#ended) return undefined
    const target = this.#memory.next()
    let filled = 0
    while (filled < target.length && !this.#ended) filled += await this.#fill(target.subarray(filled))
    return filled === 0 ? undefined : this.#memory.piece(target.subarray(0, filled))
  }

  async #fill(target: Buffer): Promise<number> {
    const piece = await this.#input.next()
    if (piece === undefined) throw new GzipFormatError('it ends inside a member')
    const { taken, given, ended } = await this.#step(piece, target)
    this.#ended = ended
    this.#input.giveBack([piece.subarray(taken)])
    return given
  }

  async #step(piece: Buffer, target: Buffer) {
    try {
      return await this.#inflater.step(piece, target)
    } catch (cause) {
      throw new GzipFormatError(messageOf(cause), { cause })
    }
  }
}

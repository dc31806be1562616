/** The compressed side of a gzip file. */

/** The stream is no gzip, or is cut off. */
export class GzipFormatError extends Error {
  constructor(what: string, options: { cause?: unknown } = {}) {
    super(what, options)
    this.name = 'GzipFormatError'
  }
}

/** A byte stream that can be looked ahead in, and that bytes can be given back to. */
export class GzipInput {
  readonly #iterator: AsyncIterator<Buffer>
  #ahead: Buffer[] = []
  #takenBytes = 0

  constructor(source: AsyncIterable<Buffer>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** Of the next byte in the stream. */
  get position(): number {
    return this.#ahead.reduce((position, piece) => position - piece.length, this.#takenBytes)
  }

  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const ahead = this.#ahead.shift()
      if (ahead !== undefined) return ahead
      const { done, value } = await this.#iterator.next()
      if (done) return undefined
      this.#takenBytes += value.length
      if (value.length > 0) return value
    }
  }

  giveBack(pieces: Buffer[]): void {
    this.#ahead.unshift(...pieces.filter((piece) => piece.length > 0))
  }

  /** Reads on until `find` has its answer or the stream ends; takes nothing. */
  async peek<T>(find: (bytes: Buffer) => T | undefined): Promise<T | undefined> {
    let bytes: Buffer = Buffer.alloc(0)
    for (;;) {
      const found = find(bytes)
      const piece = found === undefined ? await this.next() : undefined
      if (piece === undefined) {
        this.giveBack([bytes])
        return found
      }
      bytes = Buffer.concat([bytes, piece])
    }
  }

  /** Bytes that were peeked at. */
  skip(bytes: number): void {
    const [first, ...rest] = this.#ahead
    this.#ahead = rest
    this.giveBack([(first as Buffer).subarray(bytes)])
  }
}

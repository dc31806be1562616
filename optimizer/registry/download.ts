/** A blob's bytes in order, fetched again from where they broke off. */
import { CodedError } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'
import { invalidAnswer, isPassingFailure, RegistryError } from './errors.ts'
import { backOffSeconds, reasonOf } from './patience.ts'
import type { Session } from './session.ts'
import type { RegistryLimits } from './settings.ts'
import type { HttpAnswer } from './transport.ts'

export interface BlobRange {
  offsetBytes: number
  /** Exclusive; undefined: to the end. */
  endBytes: number | undefined
  /** Of the whole blob as its descriptor says; undefined where nobody has said. */
  sizeBytes: number | undefined
}

/** Times that a download may break off in all, however far it gets. */
const BREAKS_MAX = 100

/** The answer ended before it should have. */
class ShortAnswerError extends Error {}
/** The answer is of another part of the blob. */
class WrongRangeError extends Error {}

/**
 * @throws {NotFoundError} @throws {RegistryError}
 */
export async function* downloadBlob(
  session: Session,
  digest: Digest,
  range: BlobRange,
): AsyncGenerator<Buffer, void, undefined> {
  const download = new Download(session, digest, range)
  yield* download.pieces()
}

class Download {
  readonly #session: Session
  readonly #digest: Digest
  readonly #limits: RegistryLimits
  #position: number
  #endBytes: number | undefined
  #sizeBytes: number | undefined
  /** The host does not give parts, or not those that it is asked for. */
  #wholeOnly = false
  /** One after the other, without a byte between. */
  #failures = 0
  #breaks = 0

  constructor(session: Session, digest: Digest, { offsetBytes, endBytes, sizeBytes }: BlobRange) {
    this.#session = session
    this.#digest = digest
    this.#limits = session.options.limits
    this.#position = offsetBytes
    this.#sizeBytes = sizeBytes
    this.#endBytes = endBytes ?? sizeBytes
  }

  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    while (!this.#isDone()) {
      try {
        const answer = await this.#open()
        if (answer === null) return
        for await (const piece of this.#wanted(answer)) {
          this.#position += piece.length
          this.#failures = 0
          yield piece
        }
        if (this.#endBytes === undefined) return
        if (!this.#isDone()) throw new ShortAnswerError(`it ended after ${this.#position} bytes`)
      } catch (error) {
        await this.#endure(error)
      }
    }
  }

  get #what(): string {
    return `blob ${this.#digest}`
  }

  #isDone(): boolean {
    return this.#endBytes !== undefined && this.#position >= this.#endBytes
  }

  /** Waits before another try. @throws what another try will not mend */
  async #endure(error: unknown): Promise<void> {
    const { signal } = this.#session.options
    if (signal.aborted) throw signal.reason
    if (error instanceof WrongRangeError) {
      if (this.#wholeOnly)
        throw invalidAnswer(`${this.#session.host} has ${this.#what} only in part: ${error.message}`)
      this.#wholeOnly = true
      return
    }
    const passes =
      error instanceof ShortAnswerError || (!(error instanceof CodedError) && isPassingFailure(error))
    if (!passes || ++this.#failures >= this.#limits.tries || ++this.#breaks > BREAKS_MAX)
      throw await this.#explain(error)
    await this.#session.pause(backOffSeconds(this.#limits, this.#failures), reasonOf(null, error))
  }

  async #explain(error: unknown): Promise<unknown> {
    if (!(error instanceof ShortAnswerError)) return await this.#session.explain(error, this.#what)
    const what = `${this.#session.host} breaks off ${this.#what} again and again: ${error.message}; try again later`
    return new RegistryError('REGISTRY_FAILED', what, { cause: error })
  }

  /** @returns null where there is nothing behind the position */
  async #open(): Promise<HttpAnswer | null> {
    const isPart = !this.#wholeOnly && (this.#position > 0 || this.#endBytes !== this.#sizeBytes)
    const last = this.#endBytes === undefined ? '' : this.#endBytes - 1
    const answer = await this.#session.call({
      method: 'GET',
      at: `/blobs/${this.#digest}`,
      what: this.#what,
      expects: [200, 206, 416],
      ...(isPart ? { headers: { range: `bytes=${this.#position}-${last}` } } : {}),
    })
    if (answer.status === 416) {
      await answer.drop()
      if (this.#sizeBytes === undefined || this.#position >= this.#sizeBytes) return null
      throw new WrongRangeError(`it has no byte ${this.#position} of ${this.#sizeBytes}`)
    }
    try {
      if (answer.status === 206) this.#checkPart(answer)
      else this.#checkWhole(answer)
      return answer
    } catch (error) {
      await answer.drop()
      throw error
    }
  }

  #checkPart(answer: HttpAnswer): void {
    const text = answer.header('content-range') ?? ''
    const match = /^\s*bytes\s+(\d+)-(\d+)\/(\d+|\*)\s*$/i.exec(text)
    const [start, size] = [Number(match?.[1]), match?.[3] === '*' ? undefined : Number(match?.[3])]
    if (match === null || start !== this.#position)
      throw new WrongRangeError(`it gave ${text || 'a part'} when asked for what begins at ${this.#position}`)
    if (size !== undefined) this.#learnSize(size)
  }

  #checkWhole(answer: HttpAnswer): void {
    const length = answer.header('content-length')
    if (length !== undefined) this.#learnSize(Number(length))
  }

  #learnSize(size: number): void {
    if (this.#sizeBytes !== undefined && size !== this.#sizeBytes)
      throw invalidAnswer(
        `${this.#session.host} has ${size} bytes of ${this.#what}, ${this.#sizeBytes} were to be expected: one of them is wrong; push the image again`,
      )
    this.#sizeBytes = size
    this.#endBytes = Math.min(this.#endBytes ?? size, size)
  }

  /** The answer without what is before the position and behind the end. */
  async *#wanted(answer: HttpAnswer): AsyncGenerator<Buffer, void, undefined> {
    let skip = answer.status === 200 ? this.#position : 0
    let left = this.#endBytes === undefined ? Number.POSITIVE_INFINITY : this.#endBytes - this.#position
    for await (const piece of answer.body) {
      const rest = piece.subarray(Math.min(skip, piece.length))
      skip -= piece.length - rest.length
      if (rest.length === 0) continue
      if (left === 0)
        throw invalidAnswer(`${this.#session.host} gave more bytes of ${this.#what} than it has`)
      yield rest.length > left ? rest.subarray(0, left) : rest
      left -= rest.length
      // The end of what was asked for is waited for: the connection can be used again.
      if (left <= 0 && answer.status === 200 && this.#endBytes !== this.#sizeBytes) return
    }
  }
}

/**
 * A blob that is sent while it is still being made, in one request of unknown length, as docker sends: its digest is told
 * at the end. Whatever goes wrong, nothing is lost: the whole blob can be sent afterwards in the usual way.
 *
 * @see OCI distribution spec, "Pushing a blob in chunks"; RFC 9112, "Chunked Transfer Coding"
 */
import type { Digest } from '../image/digest.ts'
import { RegistryError } from './errors.ts'
import type { Session } from './session.ts'
import { cancel, OCTETS, placeOf, sentBytes, withDigest } from './upload.ts'

export interface BlobUnderWay {
  /** So far; it only grows. */
  readonly sizeBytes: number
  /** Bytes from `start` to `end`, which are there. */
  read(start: number, end: number): AsyncIterable<Uint8Array>
}

export class EarlyUpload {
  readonly #session: Session
  readonly #blob: BlobUnderWay
  readonly #ending = new AbortController()
  /** Where the registry takes the blob's end; null where it has refused what there was of it. */
  readonly #sent: Promise<URL | null>
  #begunAt: URL | null = null
  #isWhole = false
  #waiting: (() => void)[] = []

  /** Begins to send. */
  constructor(session: Session, blob: BlobUnderWay) {
    this.#session = session
    this.#blob = blob
    this.#sent = this.#send().catch(() => null)
  }

  /** There is more of the blob. */
  grown(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** The blob is whole. @returns whether the registry has it; where not, it is to be sent anew */
  async finish(digest: Digest): Promise<boolean> {
    this.#isWhole = true
    this.grown()
    const place = await this.#sent
    if (place === null) {
      await this.abandon()
      return false
    }
    try {
      const answer = await this.#session.call({
        method: 'PUT',
        at: withDigest(place, digest),
        what: this.#what,
        headers: OCTETS,
        body: { sizeBytes: 0, async *read() {} },
        answerSeconds: this.#session.options.limits.commitSeconds,
        expects: [200, 201, 204],
        once: true,
      })
      await answer.drop()
      return (answer.header('docker-content-digest') ?? digest) === digest
    } catch (error) {
      // One that does not answer would not answer this either.
      if (error instanceof RegistryError && error.status !== null) await cancel(this.#session, place)
      return false
    }
  }

  /** Sends no more. */
  async abandon(): Promise<void> {
    this.#ending.abort(new Error('the blob is not sent any further'))
    this.grown()
    await this.#sent
    if (this.#begunAt !== null) await cancel(this.#session, this.#begunAt)
  }

  get #what(): string {
    return 'a blob that is being made'
  }

  async #send(): Promise<URL | null> {
    const begun = await this.#session.call({
      method: 'POST',
      at: '/blobs/uploads/',
      what: this.#what,
      expects: [202],
      once: true,
    })
    await begun.drop()
    this.#begunAt = placeOf(begun)
    const answer = await this.#session.call({
      method: 'PATCH',
      at: this.#begunAt,
      what: this.#what,
      headers: OCTETS,
      body: { sizeBytes: null, read: () => this.#pieces() },
      // A registry may write all of it away before it answers, and the blob may be made slowly.
      answerSeconds: this.#session.options.limits.commitSeconds,
      expects: [200, 202, 204],
      once: true,
      signal: AbortSignal.any([this.#session.options.signal, this.#ending.signal]),
    })
    await answer.drop()
    const hasBytes = sentBytes(answer)
    const isAll = hasBytes === undefined || hasBytes === this.#blob.sizeBytes
    return this.#isWhole && isAll ? placeOf(answer) : null
  }

  /** From the beginning to the end, which may still be to come. */
  async *#pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let start = 0; ; ) {
      if (this.#ending.signal.aborted) throw this.#ending.signal.reason
      const end = this.#blob.sizeBytes
      if (end > start) {
        yield* this.#blob.read(start, end)
        start = end
      } else if (this.#isWhole) return
      else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}

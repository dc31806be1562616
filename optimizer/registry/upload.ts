/**
 * A blob on its way into a registry: in one go; where that breaks off or is too much at once, what is missing in pieces,
 * and, where the registry does not take pieces, in one go again.
 *
 * @see OCI distribution spec, "Pushing Blobs"
 */
import type { Digest } from '../image/digest.ts'
import { invalidAnswer, isPassingFailure, RegistryError } from './errors.ts'
import { backOffSeconds, reasonOf } from './patience.ts'
import type { Session } from './session.ts'
import { type HttpAnswer, resolveLocation } from './transport.ts'

export interface BlobToSend {
  digest: Digest
  sizeBytes: number
  /** Bytes from `start` to `end`, as often as they are needed. */
  read(start: number, end: number): AsyncIterable<Uint8Array>
}

/** Where the registry takes the bytes, and how many it has. */
interface Place {
  url: URL
  sentBytes: number
}

export const OCTETS = { 'content-type': 'application/octet-stream' }
/** Nothing takes so little. */
const PIECE_BYTES_MIN = 256 * 1024
/** Of the answers 4xx those that say nothing against pieces. */
const PASSING = [408, 425, 429]
const TOO_LARGE = 413

/** @throws {RegistryError} */
export async function uploadBlob(session: Session, blob: BlobToSend): Promise<void> {
  await new Upload(session, blob).run()
}

/** Whether anything may be sent at all: an upload is begun, and cancelled. @throws {RegistryError} */
export async function requireUploads(session: Session): Promise<void> {
  const answer = await session.call({
    method: 'POST',
    at: '/blobs/uploads/',
    what: 'a blob',
    expects: [202],
  })
  await answer.drop()
  await cancel(session, placeOf(answer))
}

/**
 * Lets a blob of another repository of the registry appear in this one.
 * @returns false where the registry does not: the bytes have to be sent
 */
export async function mountBlob(session: Session, digest: Digest, from: string): Promise<boolean> {
  try {
    const answer = await session.call({
      method: 'POST',
      at: `/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
      what: `blob ${digest}`,
      from: [from],
      expects: [201, 202],
    })
    await answer.drop()
    if (answer.status === 201) return true
    // An upload was begun in place of a mount.
    const location = answer.header('location')
    if (location !== undefined) await cancel(session, resolveLocation(location, answer.url))
    return false
  } catch (error) {
    // What does not mount may take the bytes, whatever it says of that; one that is busy would not.
    const refused = error instanceof RegistryError && error.status !== null && error.status !== 429
    if (refused) return false
    throw error
  }
}

/** The registry may forget what it has of an upload. */
export async function cancel(session: Session, at: URL): Promise<void> {
  const call = {
    method: 'DELETE',
    at,
    what: 'an upload',
    expects: [200, 202, 204, 404, 405],
    once: true,
  } as const
  await session.call(call).then(
    (done) => done.drop(),
    () => {},
  )
}

class Upload {
  readonly #session: Session
  readonly #blob: BlobToSend
  #inOneGo = true
  #takesPieces = true
  #pieceBytes: number
  /** As the registry wants it of all pieces but the last. */
  #pieceBytesMin = PIECE_BYTES_MIN
  /** Why it cannot be sent in one go. */
  #tooLarge: RegistryError | null = null
  #failures = 0
  /** As far as the registry has ever had it. */
  #furthestBytes = 0

  constructor(session: Session, blob: BlobToSend) {
    this.#session = session
    this.#blob = blob
    this.#pieceBytes = session.options.limits.chunkBytes
  }

  async run(): Promise<void> {
    let place: Place | null = null
    for (;;) {
      try {
        place ??= { url: await this.#begin(), sentBytes: 0 }
        if (this.#inOneGo) await this.#sendAll(place)
        else await this.#sendRest(place)
        return
      } catch (error) {
        const wait = this.#endure(error)
        if (wait === null) {
          // One that does not answer would not answer this either.
          if (place !== null && error instanceof RegistryError && error.status !== null)
            await cancel(this.#session, place.url)
          throw this.#takesPieces ? error : (this.#tooLarge ?? error)
        }
        await this.#session.pause(wait.seconds, wait.why)
        place = place === null ? null : await this.#whereWeAre(place)
        // What always breaks off without a trace may be too much at once for something on the way.
        const isHopeless = this.#takesPieces && (this.#tooLarge !== null || this.#failures === 2)
        this.#inOneGo = place === null && !isHopeless
      }
    }
  }

  get #what(): string {
    return `blob ${this.#blob.digest}`
  }

  /** @returns how long to wait before another try; null: that would not mend it */
  #endure(error: unknown): { seconds: number; why: string } | null {
    const { limits, signal } = this.#session.options
    if (signal.aborted) throw signal.reason
    if (!(error instanceof RegistryError)) return null
    const { status, retryAfterSeconds } = error
    const why = reasonOf(status, error.cause)
    if (status === TOO_LARGE) return this.#makeSmaller(error) ? { seconds: 0, why } : null
    if (++this.#failures >= limits.tries) return null
    // Pieces are refused where everything at once was not: some registries know them in name alone.
    const isTheirs = status !== null && status >= 400 && status < 500 && !PASSING.includes(status)
    const dislikesPieces = !this.#inOneGo && isTheirs
    if (dislikesPieces) this.#takesPieces = false
    if (dislikesPieces && this.#tooLarge !== null) return null
    const passes = status === null ? isPassingFailure(error.cause) : status >= 500 || PASSING.includes(status)
    // An upload may be forgotten by the registry, as any other that nobody has continued for long.
    if (!passes && !dislikesPieces && status !== 404) return null
    const seconds = retryAfterSeconds ?? backOffSeconds(limits, this.#failures)
    return seconds <= limits.retryAfterSecondsMax ? { seconds, why } : null
  }

  /** @returns false where what was refused cannot be less */
  #makeSmaller(error: RegistryError): boolean {
    const { sizeBytes } = this.#blob
    const refusedBytes = this.#inOneGo ? sizeBytes : Math.min(this.#pieceBytes, sizeBytes)
    this.#pieceBytes = Math.min(this.#pieceBytes, Math.ceil(refusedBytes / 2))
    this.#tooLarge = error
    return this.#takesPieces && this.#pieceBytes >= this.#pieceBytesMin
  }

  async #begin(): Promise<URL> {
    const answer = await this.#session.call({
      method: 'POST',
      at: '/blobs/uploads/',
      what: this.#what,
      expects: [202],
    })
    await answer.drop()
    const least = Number(answer.header('oci-chunk-min-length'))
    if (Number.isSafeInteger(least) && least > PIECE_BYTES_MIN) this.#pieceBytesMin = least
    this.#pieceBytes = Math.max(this.#pieceBytes, this.#pieceBytesMin)
    return placeOf(answer)
  }

  async #sendAll({ url }: Place): Promise<void> {
    await this.#finish(url, 0)
  }

  async #sendRest(place: Place): Promise<void> {
    const { sizeBytes } = this.#blob
    while (sizeBytes - place.sentBytes > this.#pieceBytes) {
      const [start, end] = [place.sentBytes, place.sentBytes + this.#pieceBytes]
      const answer = await this.#session.call({
        method: 'PATCH',
        at: place.url,
        what: this.#what,
        headers: { ...OCTETS, 'content-range': `${start}-${end - 1}` },
        body: { sizeBytes: end - start, read: () => this.#blob.read(start, end) },
        expects: [200, 202, 204],
        once: true,
      })
      await answer.drop()
      place.url = placeOf(answer)
      place.sentBytes = sentBytes(answer) ?? end
      if (place.sentBytes <= start || place.sentBytes > sizeBytes)
        throw invalidAnswer(
          `${this.#session.host} counts ${place.sentBytes} bytes of ${this.#what} when ${end} were sent`,
        )
      // Patience begins anew with what was never there before alone: else a last step that always fails goes on for ever.
      if (place.sentBytes > this.#furthestBytes) {
        this.#furthestBytes = place.sentBytes
        this.#failures = 0
      }
    }
    await this.#finish(place.url, place.sentBytes)
  }

  /** The last bytes, or all of them, and the digest that they must have. */
  async #finish(url: URL, start: number): Promise<void> {
    const { digest, sizeBytes } = this.#blob
    const isRest = start > 0 && start < sizeBytes
    const headers: Record<string, string> = { ...OCTETS }
    if (isRest) headers['content-range'] = `${start}-${sizeBytes - 1}`
    const answer = await this.#session.call({
      method: 'PUT',
      at: withDigest(url, digest),
      what: this.#what,
      headers,
      body: { sizeBytes: sizeBytes - start, read: () => this.#blob.read(start, sizeBytes) },
      answerSeconds: this.#session.options.limits.commitSeconds,
      expects: [200, 201, 204],
      once: true,
    })
    await answer.drop()
    const stored = answer.header('docker-content-digest')
    if (stored !== undefined && stored !== digest)
      throw invalidAnswer(`${this.#session.host} stored ${stored} when ${digest} was sent`)
  }

  /** @returns null where the upload has to begin anew */
  async #whereWeAre({ url }: Place): Promise<Place | null> {
    if (!this.#takesPieces) {
      await cancel(this.#session, url)
      return null
    }
    try {
      const answer = await this.#session.call({
        method: 'GET',
        at: url,
        what: `the upload of ${this.#what}`,
        expects: [200, 202, 204],
      })
      await answer.drop()
      const sent = sentBytes(answer)
      const there = answer.header('location') === undefined ? url : placeOf(answer)
      if (sent !== undefined && sent > 0 && sent <= this.#blob.sizeBytes)
        return { url: there, sentBytes: sent }
      await cancel(this.#session, there)
      return null
    } catch (error) {
      if (this.#session.options.signal.aborted) throw error
      return null
    }
  }
}

export function placeOf(answer: HttpAnswer): URL {
  const location = answer.header('location')
  if (location === undefined) throw invalidAnswer(`${answer.url.host} does not say where it takes the bytes`)
  return resolveLocation(location, answer.url)
}

/** `0-1023` are 1024; `0-0` may be none, and is what an empty upload has. */
export function sentBytes(answer: HttpAnswer): number | undefined {
  const match = /^\s*(?:bytes=)?0-(\d+)\s*$/.exec(answer.header('range') ?? '')
  if (match === null) return undefined
  const last = Number(match[1])
  return last === 0 ? 0 : last + 1
}

/** As it is written, with one parameter more: it may be signed. */
export function withDigest(url: URL, digest: Digest): URL {
  const whole = new URL(url)
  whole.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`
  return whole
}

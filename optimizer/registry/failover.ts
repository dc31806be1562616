/**
 * A blob from one host after another. What a mirror gives is kept until it is known to be right, for nobody can take
 * back what has been used; what the last host gives goes on as it comes, for there is no other to be asked.
 */
import type { CodedError } from '../../shared/errors.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import { type BlobRange, downloadBlob } from './download.ts'
import { invalidAnswer } from './errors.ts'
import { type Hosts, noneGave } from './hosts.ts'
import type { Session } from './session.ts'

/** Where bytes wait: written once from the front, then read. */
export interface Holder {
  readonly sizeBytes: number
  append(bytes: Uint8Array): Promise<void>
  read(start: number, end: number): AsyncIterable<Buffer>
  close(): Promise<void>
}

export class MemoryHolder implements Holder {
  #pieces: Buffer[] = []
  sizeBytes = 0

  async append(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(Buffer.from(bytes))
    this.sizeBytes += bytes.length
  }

  async *read(start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.concat(this.#pieces).subarray(start, end)
  }

  async close(): Promise<void> {
    this.#pieces = []
  }
}

export interface BlobReading {
  /** Keeps what a mirror gives until it is known to be right; in memory where it is absent. */
  newHolder(): Holder
  /** Aborted when nobody wants the blob any more: nothing of it is fetched or kept from then on. */
  wanted: AbortSignal | undefined
}

/**
 * Of a part nobody knows the digest: it is of one host, and not checked. Of a whole blob the last host's bytes are not
 * checked here either.
 * @throws {NotFoundError} @throws {RegistryError} naming each host that was asked
 */
export async function* blobFromHosts(
  hosts: Hosts,
  digest: Digest,
  range: BlobRange,
  { newHolder = () => new MemoryHolder(), wanted }: Partial<BlobReading> = {},
): AsyncGenerator<Buffer, void, undefined> {
  wanted?.throwIfAborted()
  const mirrors = hosts.able('pull', digest)
  const last = mirrors.pop() as Session
  const failures: CodedError[] = []
  const held = new HeldBlob(digest, range, newHolder)
  const failed = (session: Session, error: unknown, next?: Session) => {
    // That one was given up says nothing of it.
    wanted?.throwIfAborted()
    return hosts.failed(session, error, next, digest)
  }
  const asking = (session: Session) => (wanted === undefined ? session : session.until(wanted))
  try {
    for (const [index, mirror] of mirrors.entries()) {
      const failure = await held.fill(asking(mirror))
      if (failure === null) return yield* held.read()
      failures.push(failed(mirror, failure.error, mirrors[index + 1] ?? last))
    }
    if (held.sizeBytes === 0) {
      try {
        return yield* downloadBlob(asking(last), digest, range)
      } catch (error) {
        throw noneGave([...failures, failed(last, error)])
      }
    }
    // What a mirror gave before it broke off is used where the digest proves the whole.
    const failure = await held.fill(asking(last))
    if (failure === null) return yield* held.read()
    throw noneGave([...failures, failed(last, failure.error)])
  } finally {
    await held.close()
  }
}

class HeldBlob {
  readonly #digest: Digest
  readonly #range: BlobRange
  readonly #newHolder: () => Holder
  readonly #isWhole: boolean
  #holder: Holder
  #counter = new DigestCounter()

  constructor(digest: Digest, range: BlobRange, newHolder: () => Holder) {
    const { offsetBytes, endBytes, sizeBytes } = range
    this.#digest = digest
    this.#range = range
    this.#newHolder = newHolder
    this.#isWhole = offsetBytes === 0 && (endBytes === undefined || endBytes === sizeBytes)
    this.#holder = newHolder()
  }

  get sizeBytes(): number {
    return this.#holder.sizeBytes
  }

  /** Fetches what is missing. @returns null where all is there and right; else what is kept can be gone on from */
  async fill(session: Session): Promise<{ error: unknown } | null> {
    const isMixed = this.sizeBytes > 0
    try {
      const offsetBytes = this.#range.offsetBytes + this.sizeBytes
      for await (const piece of downloadBlob(session, this.#digest, { ...this.#range, offsetBytes })) {
        await this.#holder.append(piece)
        this.#counter.update(piece)
      }
      const found = this.#isWhole ? this.#counter.digest() : this.#digest
      if (found === this.#digest) return null
      await this.#empty()
      // It cannot be told whose bytes are wrong: one host's alone, then.
      if (isMixed) return await this.fill(session)
      const what = `${session.host} gave other bytes of blob ${this.#digest}`
      return { error: invalidAnswer(`${what}: they have ${found}`) }
    } catch (error) {
      if (!this.#isWhole) await this.#empty()
      return { error }
    }
  }

  read(): AsyncIterable<Buffer> {
    return this.#holder.read(0, this.#holder.sizeBytes)
  }

  async close(): Promise<void> {
    await this.#holder.close()
  }

  async #empty(): Promise<void> {
    await this.#holder.close()
    this.#holder = this.#newHolder()
    this.#counter = new DigestCounter()
  }
}

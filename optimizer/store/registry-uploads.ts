/** Blobs that go to a registry beside whatever else is done; a few at a time, also while they are made. */
import type { Digest } from '../image/digest.ts'
import type { BlobUnderWay, EarlyUpload } from '../registry/early-upload.ts'
import type { Repository } from '../registry/repository.ts'
import type { BlobToSend } from '../registry/upload.ts'

export interface UploadLimits {
  /** At a time. */
  uploads: number
  /** Blobs that are not sent yet; one more is begun where there is less. */
  unsentBytesMax: number
}

export class RegistryUploads {
  readonly #repository: Repository
  readonly #limits: UploadLimits
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #known = new Map<Digest, Promise<void>>()
  #running = 0
  #unsentBytes = 0
  /** Those who wait for room. */
  #wanting: (() => void)[] = []
  /** Whether blobs go before they are whole: one that came to nothing so was sent twice, and no other shall be. */
  #takesEarly = true
  #failure: { error: unknown } | null = null

  constructor(repository: Repository, limits: UploadLimits) {
    this.#repository = repository
    this.#limits = limits
  }

  /** Sent, or on its way. */
  has(digest: Digest): boolean {
    return this.#known.has(digest)
  }

  /**
   * Begins with a blob whose end is still to come, where nothing else waits for the way.
   * @returns what is to be told of its growth, and to be added or dropped in the end; null: it is to be added when it is whole
   */
  begin(blob: BlobUnderWay): EarlyUpload | null {
    if (this.#failure !== null || !this.#takesEarly || this.#running >= this.#limits.uploads) return null
    this.#running++
    return this.#repository.beginUpload(blob)
  }

  /** Of a blob that comes to nothing. */
  async drop(early: EarlyUpload | null): Promise<void> {
    if (early === null) return
    await early.abandon()
    this.#running--
    this.#next()
  }

  /**
   * @param early what has been begun of it
   * @param sent runs when the registry has it
   */
  add(blob: BlobToSend, early: EarlyUpload | null, sent: () => Promise<void>): void {
    this.#unsentBytes += blob.sizeBytes
    const done = new Promise<void>((resolve) => {
      const task = async () => {
        try {
          if (this.#failure !== null) await early?.abandon()
          else {
            await this.#send(blob, early)
            await sent()
          }
        } catch (error) {
          this.#failure ??= { error }
        } finally {
          this.#unsentBytes -= blob.sizeBytes
          this.#wake()
          resolve()
        }
      }
      if (early === null) this.#waiting.push(task)
      else this.#run(task)
    })
    this.#known.set(blob.digest, done)
    this.#next()
  }

  async #send(blob: BlobToSend, early: EarlyUpload | null): Promise<void> {
    if (await this.#repository.hasForWriting(blob.digest)) return await early?.abandon()
    if (early !== null && (await early.finish(blob.digest))) return
    if (early !== null) this.#takesEarly = false
    await this.#repository.upload(blob)
  }

  /** Resolves when another blob may be made: whoever makes them faster than they are sent waits. @throws what has failed */
  async room(): Promise<void> {
    while (this.#failure === null && this.#unsentBytes >= this.#limits.unsentBytesMax)
      await new Promise<void>((resolve) => this.#wanting.push(resolve))
    if (this.#failure !== null) throw this.#failure.error
  }

  /** @throws the first failure */
  async settled(): Promise<void> {
    await Promise.all(this.#known.values())
    if (this.#failure !== null) throw this.#failure.error
  }

  #wake(): void {
    const wanting = this.#wanting
    this.#wanting = []
    for (const resolve of wanting) resolve()
  }

  #next(): void {
    while (this.#running < this.#limits.uploads) {
      const task = this.#waiting.shift()
      if (task === undefined) return
      this.#running++
      this.#run(task)
    }
  }

  #run(task: () => Promise<void>): void {
    task().finally(() => {
      this.#running--
      this.#next()
    })
  }
}

/** Blobs that go to a registry beside whatever else is done; a few at a time. */
import type { Digest } from '../image/digest.ts'
import type { Repository } from '../registry/repository.ts'
import type { BlobToSend } from '../registry/upload.ts'

export class RegistryUploads {
  readonly #repository: Repository
  readonly #max: number
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #known = new Map<Digest, Promise<void>>()
  #running = 0
  #failure: { error: unknown } | null = null

  constructor(repository: Repository, max: number) {
    this.#repository = repository
    this.#max = max
  }

  /** Sent, or on its way. */
  has(digest: Digest): boolean {
    return this.#known.has(digest)
  }

  /** @param sent runs when the registry has it */
  add(blob: BlobToSend, sent: () => Promise<void>): void {
    if (this.#known.has(blob.digest)) return
    const done = new Promise<void>((resolve) => {
      this.#waiting.push(async () => {
        try {
          if (this.#failure === null) {
            if (!(await this.#repository.hasForWriting(blob.digest))) await this.#repository.upload(blob)
            await sent()
          }
        } catch (error) {
          this.#failure ??= { error }
        } finally {
          resolve()
        }
      })
    })
    this.#known.set(blob.digest, done)
    this.#next()
  }

  /** What has failed is known before more is made. */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error
  }

  /** @throws the first failure */
  async settled(): Promise<void> {
    await Promise.all(this.#known.values())
    this.throwIfFailed()
  }

  #next(): void {
    while (this.#running < this.#max) {
      const task = this.#waiting.shift()
      if (task === undefined) return
      this.#running++
      task().finally(() => {
        this.#running--
        this.#next()
      })
    }
  }
}

/**
 * A blob written to the file in which containerd keeps it until it is committed. The daemon makes the ingest, and is asked
 * to go on with it when all is written: it reads the file then, hashes it and compares, as after an interruption.
 */
import type { FileHandle } from 'node:fs/promises'
import { messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Content, Ingest } from '../containerd/content.ts'
import { storeFullError } from '../containerd/errors.ts'
import type { Digest } from '../image/digest.ts'
import type { LocalBlobs } from './local-blobs.ts'

/**
 * Going on with an ingest, the daemon hashes what it holds within a transaction of its database, for which all else that
 * writes there waits: so much takes it some tenths of a second. What follows comes through the daemon.
 */
export const DIRECT_BYTES_MAX = 256 * 1024 * 1024

type IngestContent = Pick<Content, 'prepare' | 'resume' | 'abort'>

export class DirectIngest {
  readonly #content: IngestContent
  readonly #ref: string
  readonly #file: FileHandle
  readonly #bytesMax: number
  #position = 0
  #resumed: Promise<Ingest> | undefined

  private constructor(content: IngestContent, ref: string, file: FileHandle, bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#content = content
    this.#ref = ref
    this.#file = file
  }

  /**
   * @param bytesMax that it holds when the daemon is asked to go on, and is sent the rest
   * @returns undefined where its file is not to be had; nothing is left then
   */
  static async open(
    content: IngestContent,
    blobs: Pick<LocalBlobs, 'openIngest'>,
    ref: string,
    bytesMax = DIRECT_BYTES_MAX,
  ): Promise<DirectIngest | undefined> {
    await content.prepare(ref)
    const file = await blobs.openIngest(ref)
    if (file !== undefined) return new DirectIngest(content, ref, file, bytesMax)
    await content.abort(ref)
    return undefined
  }

  /** @throws {PreconditionError} STORE_FULL, CONTENT_UNWRITABLE */
  async write(bytes: Uint8Array): Promise<void> {
    const fileBytes = this.#resumed === undefined ? this.#bytesMax - this.#position : 0
    await this.#writeToFile(bytes.subarray(0, fileBytes))
    if (fileBytes < bytes.length) await (await this.#resume()).write(bytes.subarray(fileBytes))
  }

  async #writeToFile(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        const rest = bytes.length - written
        const { bytesWritten } = await this.#file.write(bytes, written, rest, this.#position)
        written += bytesWritten
        this.#position += bytesWritten
      }
    } catch (cause) {
      throw this.#unwritable(cause)
    }
  }

  /** The daemon goes on with what is written, while more is made; no write is under way. What fails is told by the next call. */
  goOn(): void {
    this.#resume().catch(() => {})
  }

  #resume(): Promise<Ingest> {
    this.#resumed ??= this.#askToGoOn()
    return this.#resumed
  }

  /** What is written is on the disk before the daemon is asked: it would wait for that within its transaction. */
  async #askToGoOn(): Promise<Ingest> {
    try {
      await this.#file.datasync()
    } catch (cause) {
      throw this.#unwritable(cause)
    }
    await this.#file.close()
    const ingest = this.#content.resume(this.#ref, this.#position)
    ingest.begin()
    return ingest
  }

  /** @throws as {@link Ingest.commit} */
  async commit(digest: Digest, sizeBytes: number, labels: Record<string, string>): Promise<void> {
    await (await this.#resume()).commit(digest, sizeBytes, labels)
  }

  /** Safe at any time. */
  async abort(): Promise<void> {
    const ingest = await this.#resumed?.catch(() => undefined)
    await this.#file.close().catch(() => {})
    if (ingest === undefined) await this.#content.abort(this.#ref)
    else await ingest.abort()
  }

  #unwritable(cause: unknown): Error {
    const details = messageOf(cause)
    if (['ENOSPC', 'EDQUOT'].includes(systemCodeOf(cause) ?? ''))
      return storeFullError(`the ingest ${this.#ref}`, details, cause)
    const message = `cannot write to the ingest ${this.#ref} in containerd's root folder: ${details}; try --no-direct-content`
    return new PreconditionError('CONTENT_UNWRITABLE', message, { cause })
  }
}

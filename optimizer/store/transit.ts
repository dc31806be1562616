/** Blobs on their way to or from a registry: small ones in memory, the others in files without a name. */
import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createNameless, SpoolError, writeWhole } from '../tar/nameless-file.ts'
import { readPieces } from './blob-file.ts'
import type { DiskSpace } from './store.ts'

const MEMORY_BYTES_MAX = 64 * 1024

/** Written once from the front, then read. Whatever way the process ends, nothing is left of it. */
export class TransitBlob {
  readonly #folder: string
  readonly #space: DiskSpace | undefined
  #diskBytes = 0
  #pieces: Buffer[] = []
  #file: FileHandle | undefined
  #readers = 0
  #closing = false
  sizeBytes = 0

  /** @param space that a file takes its bytes from, until it is closed */
  constructor(folder: string, space?: DiskSpace) {
    this.#folder = folder
    this.#space = space
  }

  /** The memory may be filled anew when this resolves. @throws {SpoolError} @throws what `space` throws */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#file === undefined && this.sizeBytes + bytes.length <= MEMORY_BYTES_MAX) {
      this.#pieces.push(Buffer.from(bytes))
      this.sizeBytes += bytes.length
      return
    }
    this.#takeDisk(this.sizeBytes + bytes.length - this.#diskBytes)
    try {
      this.#file ??= await this.#outgrow()
      await writeWhole(this.#file, bytes, this.sizeBytes)
    } catch (cause) {
      throw new SpoolError(this.#folder, cause, 'a blob')
    }
    this.sizeBytes += bytes.length
  }

  /** As often as wanted, also while it is being closed. */
  async *read(start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    this.#readers++
    try {
      if (this.#file !== undefined) yield* readPieces(this.#file, start, Math.min(end, this.sizeBytes))
      else if (start < end) yield Buffer.concat(this.#pieces).subarray(start, end)
    } finally {
      this.#readers--
      if (this.#closing) await this.#end()
    }
  }

  /** When the last reader has gone. Safe to call again. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#readers > 0) return
    const [file, diskBytes] = [this.#file, this.#diskBytes]
    this.#file = undefined
    this.#pieces = []
    this.#diskBytes = 0
    await file?.close()
    this.#space?.giveDisk(diskBytes)
  }

  #takeDisk(bytes: number): void {
    this.#space?.takeDisk(bytes)
    this.#diskBytes += bytes
  }

  async #outgrow(): Promise<FileHandle> {
    const file = await createNameless(join(this.#folder, `hotlayer-${randomUUID()}`))
    try {
      await writeWhole(file, Buffer.concat(this.#pieces), 0)
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    this.#pieces = []
    return file
  }
}

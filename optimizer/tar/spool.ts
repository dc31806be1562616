/** The uncompressed bytes of a layer for random access: in memory when it is small, else on disk. */
import type { FileHandle } from 'node:fs/promises'
import { releaseMemory } from '../../native/memory.ts'
import { createNameless, SpoolError, writeWhole } from './nameless-file.ts'
import type { SpoolSpace } from './spool-space.ts'

/**
 * A file without a name: it is unlinked at once, so that no way of dying leaves it behind. Until a layer has outgrown
 * the memory for small ones, there is no file at all. Written once from the front, then read anywhere.
 */
export class Spool {
  readonly #path: string
  readonly #space: SpoolSpace | undefined
  #memory: Buffer | undefined
  #file: FileHandle | undefined
  #diskBytes = 0
  #pending: Promise<void> = Promise.resolve()
  #closed = false
  sizeBytes = 0

  private constructor(path: string, space: SpoolSpace | undefined) {
    this.#path = path
    this.#space = space
    this.#memory = space?.takeMemory()
  }

  /**
   * @param path of a file that does not exist yet
   * @param space shared with the other layers of the run; without one there is a file, of whatever size
   * @throws {SpoolError}
   */
  static async create(path: string, space?: SpoolSpace): Promise<Spool> {
    const spool = new Spool(path, space)
    if (spool.#memory === undefined) spool.#file = await createFile(path)
    return spool
  }

  /**
   * Resolves when the bytes before these are written: one write is always under way.
   * @param written told when these are, or never will be
   * @throws {SpoolError} @throws {SpoolLimitError}
   */
  async append(bytes: Buffer, written: () => void = () => {}): Promise<void> {
    await this.#pending
    const position = this.sizeBytes
    if (this.#memory !== undefined) {
      if (position + bytes.length <= this.#memory.length) {
        this.sizeBytes += bytes.copy(this.#memory, position)
        written()
        return
      }
      await this.#outgrow(this.#memory)
    }
    this.#takeDisk(bytes.length)
    this.sizeBytes += bytes.length
    this.#pending = this.#write(bytes, position).finally(written)
    // Its failure is seen by whoever awaits it next; until then it must not count as unhandled.
    this.#pending.catch(() => {})
  }

  /** All bytes are in the file. @throws {SpoolError} */
  async flush(): Promise<void> {
    await this.#pending
  }

  async #outgrow(memory: Buffer): Promise<void> {
    this.#file = await createFile(this.#path)
    this.#takeDisk(this.sizeBytes)
    await this.#write(memory.subarray(0, this.sizeBytes), 0)
    this.#giveMemory(memory)
  }

  #takeDisk(bytes: number): void {
    this.#space?.takeDisk(bytes)
    this.#diskBytes += bytes
  }

  #giveMemory(memory: Buffer): void {
    this.#memory = undefined
    this.#space?.giveMemory(memory)
    releaseMemory(memory)
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    try {
      await writeWhole(this.#file as FileHandle, bytes, position)
    } catch (cause) {
      throw new SpoolError(this.#path, cause)
    }
  }

  /** Fills all of `target` from `offset` on. */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    if (this.#memory !== undefined) {
      target.set(this.#memory.subarray(offset, Math.min(offset + target.length, this.sizeBytes)))
      if (offset + target.length > this.sizeBytes) throw this.#tooShort()
      return
    }
    for (let filled = 0; filled < target.length; ) {
      const rest = target.length - filled
      const { bytesRead } = await (this.#file as FileHandle).read(target, filled, rest, offset + filled)
      if (bytesRead === 0) throw this.#tooShort()
      filled += bytesRead
    }
  }

  #tooShort(): SpoolError {
    return new SpoolError(this.#path, new Error('it is shorter than what was written'))
  }

  /** Gives memory and disk back. Safe to call again. */
  async close(): Promise<void> {
    await this.#pending.catch(() => {})
    if (this.#closed) return
    this.#closed = true
    if (this.#memory !== undefined) this.#giveMemory(this.#memory)
    await this.#file?.close().catch(() => {})
    this.#space?.giveDisk(this.#diskBytes)
  }
}

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await createNameless(path)
  } catch (cause) {
    throw new SpoolError(path, cause)
  }
}

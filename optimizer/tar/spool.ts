/** The uncompressed bytes of a layer on disk, for random access. */
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { messageOf, PreconditionError } from '../../shared/errors.ts'

/** The disk gave out. Code: SPOOL_FAILED. */
export class SpoolError extends PreconditionError {
  constructor(path: string, cause: unknown) {
    super(
      'SPOOL_FAILED',
      `cannot keep an uncompressed layer in ${path}: ${messageOf(cause)}; give it room, or name another folder in TMPDIR`,
      { cause },
    )
  }
}

/**
 * A file without a name: it is unlinked at once, so that no way of dying leaves it behind.
 * Written once from the front, then read anywhere.
 */
export class Spool {
  readonly #file: FileHandle
  readonly #path: string
  #pending: Promise<void> = Promise.resolve()
  sizeBytes = 0

  private constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  /** @param path of a file that does not exist yet. @throws {SpoolError} */
  static async create(path: string): Promise<Spool> {
    try {
      const file = await open(path, 'wx+', 0o600)
      await unlink(path)
      return new Spool(file, path)
    } catch (cause) {
      throw new SpoolError(path, cause)
    }
  }

  /**
   * Resolves when the bytes before these are written: one write is always under way.
   * @param written told when these are, or never will be
   * @throws {SpoolError}
   */
  async append(bytes: Buffer, written: () => void = () => {}): Promise<void> {
    await this.#pending
    const position = this.sizeBytes
    this.sizeBytes += bytes.length
    this.#pending = this.#write(bytes, position).finally(written)
    // Its failure is seen by whoever awaits it next; until then it must not count as unhandled.
    this.#pending.catch(() => {})
  }

  /** All bytes are in the file. @throws {SpoolError} */
  async flush(): Promise<void> {
    await this.#pending
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        const rest = bytes.length - written
        written += (await this.#file.write(bytes, written, rest, position + written)).bytesWritten
      }
    } catch (cause) {
      throw new SpoolError(this.#path, cause)
    }
  }

  /** Fills all of `target` from `offset` on. */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < target.length; ) {
      const { bytesRead } = await this.#file.read(target, filled, target.length - filled, offset + filled)
      if (bytesRead === 0) throw new SpoolError(this.#path, new Error('it is shorter than what was written'))
      filled += bytesRead
    }
  }

  /** Safe to call again. */
  async close(): Promise<void> {
    await this.#pending.catch(() => {})
    await this.#file.close().catch(() => {})
  }
}

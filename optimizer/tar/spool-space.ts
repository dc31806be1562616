/** What the uncompressed layers of a run may take together: memory for the small ones, disk for the others. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { PreconditionError } from '../../shared/errors.ts'

/** A layer up to here needs no file. */
const SMALL_LAYER_BYTES = 1024 * 1024
export const SPOOL_MEMORY_BYTES = 16 * SMALL_LAYER_BYTES

/** More disk is needed than was allowed. Code: SPOOL_LIMIT. */
export class SpoolLimitError extends PreconditionError {
  constructor(what: string, limitBytes: number) {
    super('SPOOL_LIMIT', `${what}, and --spool-limit allows ${limitBytes}: allow more`)
  }
}

export interface SpoolSpaceOptions {
  /** Where the files are made; they have no name there but for a moment. */
  folder: string
  diskBytesMax?: number
  memoryBytesMax?: number
}

export class SpoolSpace {
  readonly folder: string
  readonly diskBytesMax: number
  #diskBytes = 0
  #memoryBytes: number

  constructor(options: SpoolSpaceOptions) {
    this.folder = options.folder
    this.diskBytesMax = options.diskBytesMax ?? Number.POSITIVE_INFINITY
    this.#memoryBytes = options.memoryBytesMax ?? SPOOL_MEMORY_BYTES
  }

  /** Of a file that does not exist yet. */
  newPath(): string {
    return join(this.folder, `hotlayer-${randomUUID()}`)
  }

  /** @throws {SpoolLimitError} */
  takeDisk(bytes: number): void {
    const wanted = this.#diskBytes + bytes
    if (wanted > this.diskBytesMax) {
      const what = 'the uncompressed layers take more disk than could be told beforehand'
      throw new SpoolLimitError(what, this.diskBytesMax)
    }
    this.#diskBytes = wanted
  }

  giveDisk(bytes: number): void {
    this.#diskBytes -= bytes
  }

  /** Memory for a small layer; undefined when others have it all. */
  takeMemory(): Buffer | undefined {
    if (this.#memoryBytes < SMALL_LAYER_BYTES) return undefined
    this.#memoryBytes -= SMALL_LAYER_BYTES
    return Buffer.allocUnsafeSlow(SMALL_LAYER_BYTES)
  }

  giveMemory(memory: Buffer): void {
    this.#memoryBytes += memory.length
  }
}

/** Digests of the contents in a tar that passes by: of each file, and of its chunks where somebody asks for those. */
import { createHash, type Hash } from 'node:crypto'
import { type Digest, digestOf } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'

export interface ContentDigest {
  digest: Digest
  /** One per chunk that was asked for; absent where the file was not cut. */
  chunks?: Digest[]
}

const EMPTY: ContentDigest = { digest: digestOf('') }
/** Holes of sparse files are hashed in pieces of this. */
const ZEROS = Buffer.alloc(64 * 1024)

export class ContentDigests {
  readonly #chunkBytesOf: ((entry: TarEntry) => readonly number[]) | undefined
  readonly #waiting: TarEntry[] = []
  #next = 0
  #current: FileDigest | undefined
  /** By where the content lies in the tar: an entry may get another name, its content stays. */
  readonly #found = new Map<number, ContentDigest>()

  /** @param chunkBytesOf lengths of a file's chunks in order; empty: the file is one piece */
  constructor(chunkBytesOf?: (entry: TarEntry) => readonly number[]) {
    this.#chunkBytesOf = chunkBytesOf
  }

  /** Of a regular file; absent only for what the tar was cut off in. */
  of(entry: TarEntry): ContentDigest | undefined {
    return entry.sizeBytes === 0 ? EMPTY : this.#found.get(entry.payloadOffset)
  }

  /** An entry whose content comes next. */
  expect(entry: TarEntry): void {
    if (entry.sizeBytes > 0) this.#waiting.push(entry)
  }

  /** @param start where the piece lies in the tar */
  push(piece: Buffer, start: number): void {
    for (;;) {
      this.#current ??= this.#begin()
      if (this.#current === undefined) return
      if (!this.#current.take(piece, start)) return
      this.#found.set(this.#current.entry.payloadOffset, this.#current.end())
      this.#current = undefined
    }
  }

  #begin(): FileDigest | undefined {
    const entry = this.#waiting[this.#next]
    if (entry === undefined) {
      this.#waiting.length = 0
      this.#next = 0
      return undefined
    }
    this.#next++
    return new FileDigest(entry, this.#chunkBytesOf?.(entry) ?? [])
  }
}

class FileDigest {
  readonly entry: TarEntry
  readonly #whole = createHash('sha256')
  readonly #chunkBytes: readonly number[]
  readonly #chunks: Digest[] = []
  #chunk: Hash | undefined
  #chunkRest = 0
  /** Stored bytes that were taken, and where in the file they have got to. */
  #taken = 0
  #position = 0

  constructor(entry: TarEntry, chunkBytes: readonly number[]) {
    this.entry = entry
    this.#chunkBytes = chunkBytes.length > 1 ? chunkBytes : []
  }

  /** @returns whether all of the content has come */
  take(piece: Buffer, start: number): boolean {
    const { payloadOffset, payloadBytes } = this.entry
    const from = Math.max(payloadOffset + this.#taken, start)
    const to = Math.min(payloadOffset + payloadBytes, start + piece.length)
    if (from < to) this.#stored(piece.subarray(from - start, to - start))
    return this.#taken === payloadBytes
  }

  end(): ContentDigest {
    this.#zerosTo(this.entry.sizeBytes)
    const digest: Digest = `sha256:${this.#whole.digest('hex')}`
    return this.#chunks.length > 0 ? { digest, chunks: this.#chunks } : { digest }
  }

  /** Bytes as they are stored: of a sparse file, data runs with holes between. */
  #stored(bytes: Buffer): void {
    if (this.entry.sparse === undefined) {
      this.#taken += bytes.length
      this.#content(bytes)
      return
    }
    let runStart = 0
    for (const run of this.entry.sparse) {
      const inRun = this.#taken - runStart
      runStart += run.bytes
      if (inRun >= run.bytes) continue
      this.#zerosTo(run.offset + inRun)
      const part = bytes.subarray(0, run.bytes - inRun)
      this.#taken += part.length
      this.#content(part)
      bytes = bytes.subarray(part.length)
      if (bytes.length === 0) return
    }
  }

  #zerosTo(position: number): void {
    while (this.#position < position) this.#content(ZEROS.subarray(0, position - this.#position))
  }

  #content(bytes: Buffer): void {
    this.#position += bytes.length
    this.#whole.update(bytes)
    while (bytes.length > 0 && this.#chunks.length < this.#chunkBytes.length) {
      if (this.#chunk === undefined) {
        this.#chunk = createHash('sha256')
        this.#chunkRest = this.#chunkBytes[this.#chunks.length] as number
      }
      const part = bytes.subarray(0, this.#chunkRest)
      this.#chunk.update(part)
      this.#chunkRest -= part.length
      bytes = bytes.subarray(part.length)
      if (this.#chunkRest > 0) return
      this.#chunks.push(`sha256:${this.#chunk.digest('hex')}`)
      this.#chunk = undefined
    }
  }
}

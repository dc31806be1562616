/** Which parts of a blob a lazily pulling client has: it asks for aligned pieces, and keeps them. */
import { PIECE_BYTES } from './client-model.ts'

export class BlobPieces {
  readonly #sizeBytes: number
  readonly #present: Uint8Array

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
    this.#present = new Uint8Array(Math.ceil(sizeBytes / PIECE_BYTES))
  }

  /** Bytes that a request for this range transfers: its pieces that are not here. */
  missingBytes(offset: number, bytes: number): number {
    let missing = 0
    for (const piece of this.#range(offset, bytes))
      if (this.#present[piece] === 0) missing += this.#bytesOf(piece)
    return missing
  }

  add(offset: number, bytes: number): void {
    for (const piece of this.#range(offset, bytes)) this.#present[piece] = 1
  }

  /** All that is not here. */
  restBytes(): number {
    return this.missingBytes(0, this.#sizeBytes)
  }

  *#range(offset: number, bytes: number): Generator<number> {
    const end = bytes > 0 ? Math.min(offset + bytes, this.#sizeBytes) : 0
    for (let piece = Math.floor(offset / PIECE_BYTES); piece * PIECE_BYTES < end; piece++) yield piece
  }

  #bytesOf(piece: number): number {
    return Math.min(PIECE_BYTES, this.#sizeBytes - piece * PIECE_BYTES)
  }
}

/**
 * CRC-64 with the ISO 3309 polynomial, reflected, as Go's hash/crc64 and tar-split have it. Eight bytes a step by
 * eight tables, each in two halves: numbers of 64 bits would be slow.
 *
 * @see ISO 3309; tar-split, tar/storage/getter.go
 */
const POLYNOMIAL_HIGH = 0xd8000000 | 0
const STEP_BYTES = 8

const LOW = Array.from({ length: STEP_BYTES }, () => new Int32Array(256))
const HIGH = Array.from({ length: STEP_BYTES }, () => new Int32Array(256))
fillTables()

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let low = byte
    let high = 0
    for (let bit = 0; bit < 8; bit++) {
      const odd = (low & 1) !== 0
      low = (low >>> 1) | (high << 31)
      high = (high >>> 1) ^ (odd ? POLYNOMIAL_HIGH : 0)
    }
    at(LOW, 0)[byte] = low
    at(HIGH, 0)[byte] = high
  }
  for (let table = 1; table < STEP_BYTES; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const low = at(LOW, table - 1)[byte] as number
      const high = at(HIGH, table - 1)[byte] as number
      at(LOW, table)[byte] = ((low >>> 8) | (high << 24)) ^ (at(LOW, 0)[low & 255] as number)
      at(HIGH, table)[byte] = (high >>> 8) ^ (at(HIGH, 0)[low & 255] as number)
    }
  }
}

function at(tables: Int32Array[], index: number): Int32Array {
  return tables[index] as Int32Array
}

export class Crc64 {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    const misaligned = Math.min((4 - (bytes.byteOffset & 3)) & 3, bytes.length)
    this.#bytewise(bytes, 0, misaligned)
    const words = ((bytes.length - misaligned) >> 2) & ~1
    if (words > 0) this.#wordwise(new Int32Array(bytes.buffer, bytes.byteOffset + misaligned, words))
    this.#bytewise(bytes, misaligned + words * 4, bytes.length)
  }

  /** Big-endian, as Go's `Sum` gives it. */
  digest(): Buffer {
    const sum = Buffer.alloc(8)
    sum.writeInt32BE(~this.#high, 0)
    sum.writeInt32BE(~this.#low, 4)
    return sum
  }

  #bytewise(bytes: Uint8Array, start: number, end: number): void {
    const low0 = at(LOW, 0)
    const high0 = at(HIGH, 0)
    for (let i = start; i < end; i++) {
      const index = (this.#low ^ (bytes[i] as number)) & 255
      this.#low = ((this.#low >>> 8) | (this.#high << 24)) ^ (low0[index] as number)
      this.#high = (this.#high >>> 8) ^ (high0[index] as number)
    }
  }

  /** @param words little-endian, an even number of them: so are all machines that Node runs on */
  #wordwise(words: Int32Array): void {
    const [l0, l1, l2, l3, l4, l5, l6, l7] = LOW as [
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
    ]
    const [h0, h1, h2, h3, h4, h5, h6, h7] = HIGH as typeof LOW &
      [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < words.length; i += 2) {
      const a = low ^ (words[i] as number)
      const b = high ^ (words[i + 1] as number)
      low =
        (l7[a & 255] as number) ^
        (l6[(a >>> 8) & 255] as number) ^
        (l5[(a >>> 16) & 255] as number) ^
        (l4[a >>> 24] as number) ^
        (l3[b & 255] as number) ^
        (l2[(b >>> 8) & 255] as number) ^
        (l1[(b >>> 16) & 255] as number) ^
        (l0[b >>> 24] as number)
      high =
        (h7[a & 255] as number) ^
        (h6[(a >>> 8) & 255] as number) ^
        (h5[(a >>> 16) & 255] as number) ^
        (h4[a >>> 24] as number) ^
        (h3[b & 255] as number) ^
        (h2[(b >>> 8) & 255] as number) ^
        (h1[(b >>> 16) & 255] as number) ^
        (h0[b >>> 24] as number)
    }
    this.#low = low
    this.#high = high
  }
}

/**
 * Writes msgpack straight into a buffer, for messages that are made by the thousand. The same bytes as those of
 * `encodeMessage`, which remains the codec of all others: each value in its shortest form.
 * @see docs/protocol.md, "Messages"
 */

/** Most that a number, or the head of an array, map, text or byte string takes. */
export const MSGPACK_HEAD_BYTES_MAX = 9

export class MsgpackWriter {
  readonly buffer: Buffer
  /** Bytes written so far. */
  length = 0

  /** @param bytesMax whoever writes more loses it */
  constructor(bytesMax: number) {
    this.buffer = Buffer.allocUnsafe(bytesMax)
  }

  /** @param count at most 15 */
  map(count: number): void {
    this.#u8(0x80 | count)
  }

  array(count: number): void {
    if (count < 16) this.#u8(0x90 | count)
    else if (count < 0x10000) this.#headed(0xdc, count, 2)
    else this.#headed(0xdd, count, 4)
  }

  /** @param text at most 31 ASCII characters */
  text(text: string): void {
    this.#u8(0xa0 | text.length)
    for (let index = 0; index < text.length; index++) this.#u8(text.charCodeAt(index))
  }

  nil(): void {
    this.#u8(0xc0)
  }

  /** Outside of 32 bits a float64. */
  integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#u8(value)
      else if (value < 0x100) this.#headed(0xcc, value, 1)
      else if (value < 0x10000) this.#headed(0xcd, value, 2)
      else if (value < 0x100000000) this.#headed(0xce, value, 4)
      else this.#float64(value)
    } else if (value >= -0x20) this.#u8(value & 0xff)
    else if (value >= -0x80) this.#headed(0xd0, value, 1)
    else if (value >= -0x8000) this.#headed(0xd1, value, 2)
    else if (value >= -0x80000000) this.#headed(0xd2, value, 4)
    else this.#float64(value)
  }

  /** What lies in `source` from `from` to before `to`, as bin. */
  bytes(source: Uint8Array, from: number, to: number): void {
    const count = to - from
    if (count < 0x100) this.#headed(0xc4, count, 1)
    else if (count < 0x10000) this.#headed(0xc5, count, 2)
    else this.#headed(0xc6, count, 4)
    const { buffer } = this
    let at = this.length
    // Names are short: a loop is faster than making a view to copy from.
    for (let index = from; index < to; index++) buffer[at++] = source[index] as number
    this.length = at
  }

  /** Bare, in network byte order: the head of a frame, over what was written there. */
  u32At(at: number, value: number): void {
    this.buffer.writeUInt32BE(value, at)
  }

  #u8(value: number): void {
    this.buffer[this.length++] = value
  }

  #headed(head: number, value: number, bytes: 1 | 2 | 4): void {
    this.#u8(head)
    if (bytes === 4) {
      this.#u8(value >>> 24)
      this.#u8(value >>> 16)
    }
    if (bytes >= 2) this.#u8(value >>> 8)
    this.#u8(value)
  }

  #float64(value: number): void {
    this.#u8(0xcb)
    this.length = this.buffer.writeDoubleBE(value, this.length)
  }
}

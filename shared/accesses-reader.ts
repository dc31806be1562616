/**
 * Reads `accesses` messages, which come by the thousand, without the codec of all others: no array and no view per
 * value. It takes only what has the very keys, in order, and the forms that writers use; about everything else, right
 * or wrong, the codec decides.
 * @see docs/protocol.md, "accesses"
 */
import type { Access, Phase } from './messages.ts'

export const PATH_BYTES_MAX = 64 * 1024
export const COMMAND_BYTES_MAX = 4096
const PID_MAX = 0x7fffffff
const KINDS_MAX = 0xffff

/** A map of three: `type`, which is `accesses`, and `sequence`. */
const HEAD = Buffer.from('\x83\xa4type\xa8accesses\xa8sequence', 'latin1')
/** The third key. */
const ENTRIES = Buffer.from('\xa7entries', 'latin1')
const ENTRY_HEAD = 0x97
const NIL = 0xc0

/** @returns null where the codec must decide. Entries hold on to a copy of the payload, not to what it lies in. */
export function readAccesses(payload: Uint8Array): { sequence: number; entries: Access[] } | null {
  return liesAt(HEAD, payload, 0) ? new AccessesReader(Buffer.from(payload)).read() : null
}

function liesAt(expected: Buffer, bytes: Uint8Array, at: number): boolean {
  const end = at + expected.length
  return end <= bytes.length && expected.compare(bytes, at, end) === 0
}

class AccessesReader {
  readonly #bytes: Buffer
  #at = HEAD.length
  /** Something was not as expected. What was read since is worth nothing. */
  #odd = false
  /** Most files are read by the process of the one before: its name is one object then. */
  #lastCommand: Buffer | null = null

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  read(): { sequence: number; entries: Access[] } | null {
    const sequence = this.#integer(0, Number.MAX_SAFE_INTEGER)
    if (!liesAt(ENTRIES, this.#bytes, this.#at)) return null
    this.#at += ENTRIES.length
    const count = this.#arrayCount()
    const entries: Access[] = []
    for (let index = 0; index < count; index++) {
      const entry = this.#entry()
      if (this.#odd) return null
      entries.push(entry)
    }
    return this.#odd || this.#at !== this.#bytes.length ? null : { sequence, entries }
  }

  #entry(): Access {
    if (this.#byte() !== ENTRY_HEAD) this.#odd = true
    return {
      path: this.#name(PATH_BYTES_MAX),
      kinds: this.#integer(1, KINDS_MAX),
      pid: this.#integer(0, PID_MAX),
      elapsedMicroseconds: this.#integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      phase: this.#integer(0, 1) as Phase,
      sizeBytes: this.#integer(0, Number.MAX_SAFE_INTEGER),
      command: this.#command(),
    }
  }

  #command(): Buffer | null {
    if (this.#bytes[this.#at] === NIL) {
      this.#at++
      return null
    }
    const from = this.#at
    const length = this.#nameBytes(COMMAND_BYTES_MAX)
    const last = this.#lastCommand
    if (last?.length === length && liesAt(last, this.#bytes, this.#at)) {
      this.#at += length
      return last
    }
    this.#at = from
    this.#lastCommand = this.#name(COMMAND_BYTES_MAX)
    return this.#lastCommand
  }

  #name(bytesMax: number): Buffer {
    const length = this.#nameBytes(bytesMax)
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  /** Head of a bin whose bytes are there. */
  #nameBytes(bytesMax: number): number {
    const head = this.#byte()
    let length = 0
    if (head === 0xc4) length = this.#unsigned(1)
    else if (head === 0xc5) length = this.#unsigned(2)
    else if (head === 0xc6) length = this.#unsigned(4)
    if (length === 0 || length > bytesMax || this.#at + length > this.#bytes.length) this.#odd = true
    return length
  }

  #arrayCount(): number {
    const head = this.#byte()
    if ((head & 0xf0) === 0x90) return head & 0x0f
    if (head === 0xdc) return this.#unsigned(2)
    this.#odd = true
    return 0
  }

  #integer(min: number, max: number): number {
    const value = this.#number()
    if (!(value >= min && value <= max)) this.#odd = true
    return value
  }

  #number(): number {
    const head = this.#byte()
    if (head < 0x80) return head
    if (head >= 0xe0) return head - 0x100
    switch (head) {
      case 0xcc:
        return this.#unsigned(1)
      case 0xcd:
        return this.#unsigned(2)
      case 0xce:
        return this.#unsigned(4)
      case 0xd0:
        return (this.#unsigned(1) << 24) >> 24
      case 0xd1:
        return (this.#unsigned(2) << 16) >> 16
      case 0xd2:
        return this.#unsigned(4) | 0
      case 0xcb:
        return this.#float64()
      default:
        return Number.NaN
    }
  }

  #float64(): number {
    const from = this.#at
    this.#at += 8
    if (this.#at > this.#bytes.length) return Number.NaN
    const value = this.#bytes.readDoubleBE(from)
    return Number.isInteger(value) ? value : Number.NaN
  }

  #unsigned(bytes: 1 | 2 | 4): number {
    let value = 0
    for (let count = 0; count < bytes; count++) value = value * 0x100 + this.#byte()
    return value
  }

  /** After the end they are as unexpected as any. */
  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte !== undefined) return byte
    this.#odd = true
    return NIL
  }
}

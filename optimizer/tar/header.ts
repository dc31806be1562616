/**
 * One 512-byte tar header block and its fields. Reads as Go's archive/tar does, since that is what unpacks layers.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
 */
import { TarFormatError } from './errors.ts'

export const BLOCK_BYTES = 512
export const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES)

/** Type flags. '\0' and '7' are regular files too. */
export const FLAG = {
  oldReg: '\0',
  reg: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
  contiguous: '7',
  gnuSparse: 'S',
  gnuLongName: 'L',
  gnuLongLink: 'K',
  pax: 'x',
  paxGlobal: 'g',
} as const

/** A header block's fields, strings up to their NUL. Extension records are not applied. */
export interface RawHeader {
  flag: string
  gnu: boolean
  name: Buffer
  linkName: Buffer
  sizeBytes: number
  mode: number
  uid: number
  gid: number
  userName: Buffer
  groupName: Buffer
  mtimeSeconds: bigint
  /** 0 but for devices. */
  devMajor: number
  devMinor: number
}

/** Bytes that round a payload up to whole blocks. */
export function paddingBytes(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES
}

const EMPTY = Buffer.alloc(0)
const SLASH = Buffer.from('/')

/**
 * @param offset where the block lies, for the error
 * @throws {TarFormatError} wrong checksum, a field that is no number
 */
export function parseHeader(block: Buffer, offset: number): RawHeader {
  if (!checksumHolds(block, offset)) throw new TarFormatError(offset, 'the header has a wrong checksum')
  const flag = String.fromCharCode(block[156] as number)
  const magic = block.toString('latin1', 257, 265)
  const gnu = magic === 'ustar  \0'
  const ustar = magic.startsWith('ustar\0')
  const device = flag === FLAG.char || flag === FLAG.block
  return {
    flag,
    gnu,
    name: withPrefix(block, cString(block, 0, 100), gnu, ustar),
    linkName: cString(block, 157, 257),
    sizeBytes: numberField(block, 124, 136, 'size', offset),
    mode: numberField(block, 100, 108, 'mode', offset),
    uid: numberField(block, 108, 116, 'uid', offset),
    gid: numberField(block, 116, 124, 'gid', offset),
    userName: gnu || ustar ? cString(block, 265, 297) : EMPTY,
    groupName: gnu || ustar ? cString(block, 297, 329) : EMPTY,
    mtimeSeconds: BigInt(plainOctal(block, 136, 148) ?? numericField(block, 136, 148, 'mtime', offset)),
    devMajor: device ? numberField(block, 329, 337, 'devmajor', offset) : 0,
    devMinor: device ? numberField(block, 337, 345, 'devminor', offset) : 0,
  }
}

export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && block.equals(ZERO_BLOCK)
}

/** Bytes up to the first NUL, copied: the block belongs to a large piece of the stream. */
export function cString(block: Buffer, start: number, end: number): Buffer {
  const nul = block.indexOf(0, start)
  const stop = nul < 0 || nul > end ? end : nul
  return stop === start ? EMPTY : Buffer.from(block.subarray(start, stop))
}

/**
 * The ustar prefix goes before the name. A GNU header has times there; but what archivers written in Go before 1.8
 * called GNU headers may carry a prefix all the same: Go's reader takes text that is no number for one, so do we.
 */
function withPrefix(block: Buffer, name: Buffer, gnu: boolean, ustar: boolean): Buffer {
  const first = block[345] as number
  if (first === 0 || !(gnu || ustar)) return name
  const star = ustar && block.toString('latin1', 508, 512) === 'tar\0'
  if (gnu && ((first & 0x80) !== 0 || first === 0x20 || (first >= 0x30 && first <= 0x37))) return name
  const prefix = cString(block, 345, star ? 476 : 500)
  return Buffer.concat([prefix, SLASH, name])
}

/** The sum of all bytes, the field itself read as spaces; old archivers took bytes for signed. */
function checksumHolds(block: Buffer, offset: number): boolean {
  const stored = numberField(block, 148, 156, 'checksum', offset)
  let sum = 8 * 0x20
  for (let i = 0; i < 148; i++) sum += block[i] as number
  for (let i = 156; i < BLOCK_BYTES; i++) sum += block[i] as number
  return stored === sum || stored === sum - 256 * highBytes(block)
}

function highBytes(block: Buffer): number {
  let count = 0
  for (let i = 0; i < BLOCK_BYTES; i++) if ((i < 148 || i >= 156) && (block[i] as number) > 127) count++
  return count
}

/** A numeric field that must be a safe integer. */
export function numberField(block: Buffer, start: number, end: number, name: string, offset: number): number {
  const octal = plainOctal(block, start, end)
  if (octal !== undefined) return octal
  const value = Number(numericField(block, start, end, name, offset))
  if (!Number.isSafeInteger(value)) {
    throw new TarFormatError(offset, `the field ${name} is larger than any file system allows`)
  }
  return value
}

/** The usual form, digits up to the end, a space or NUL; undefined for anything else. */
function plainOctal(block: Buffer, start: number, end: number): number | undefined {
  let value = 0
  for (let i = start; i < end; i++) {
    const byte = block[i] as number
    if (byte >= 0x30 && byte <= 0x37) value = value * 8 + (byte - 0x30)
    else if (i > start && (byte === 0 || byte === 0x20) && restIsBlank(block, i, end)) return value
    else return undefined
  }
  return value
}

function restIsBlank(block: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (block[i] !== 0 && block[i] !== 0x20) return false
  return true
}

/** Octal digits among blanks, or base-256 (GNU): first bit set, the rest two's complement, big-endian. */
function numericField(block: Buffer, start: number, end: number, name: string, offset: number): bigint {
  const first = block[start] as number
  if ((first & 0x80) !== 0) return base256(block, start, end)
  const text = block
    .toString('latin1', start, end)
    .replace(/^[ \0]+|[ \0]+$/g, '')
    .split('\0', 1)[0] as string
  if (text === '') return 0n
  if (!/^[0-7]+$/.test(text)) {
    throw new TarFormatError(offset, `the field ${name} is no octal number: ${JSON.stringify(text)}`)
  }
  return BigInt(`0o${text}`)
}

function base256(block: Buffer, start: number, end: number): bigint {
  const bits = BigInt((end - start) * 8 - 1)
  let value = BigInt((block[start] as number) & 0x7f)
  for (let i = start + 1; i < end; i++) value = (value << 8n) | BigInt(block[i] as number)
  return BigInt.asIntN(Number(bits), value)
}

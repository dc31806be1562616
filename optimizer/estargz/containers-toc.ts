/**
 * Entries of the TOC in the containers dialect. Its readers compare each with the header blocks in the tar-split
 * data, field by field, as their own reader understands those: so fields are taken from the header blocks, also
 * where they mean nothing (the link name of a regular file), and times to the nanosecond.
 *
 * @see containers/storage, pkg/chunked/compression_linux.go, ensureTOCMatchesTarSplit;
 * pkg/chunked/internal/minimal/compression.go, FileMetadata
 */
import type { Digest } from '../image/digest.ts'
import { applyExtensions, type Extensions } from '../tar/extensions.ts'
import { BLOCK_BYTES, cString, FLAG, numberField, paddingBytes, parseHeader } from '../tar/header.ts'
import { type PaxRecord, parsePaxRecords, paxTimeNanoseconds } from '../tar/pax.ts'
import { formatModtime, type TocEntry } from './toc.ts'

/** Fields in the order of the original; what is zero or empty is left out. */
export interface ContainersEntry {
  type: TocEntry['type']
  /** Exactly the tar's: a layer with a name that JSON cannot hold is not described. */
  name: string
  linkName?: string
  mode?: number
  size?: number
  uid?: number
  gid?: number
  /** RFC 3339, UTC, to the nanosecond. */
  modtime?: string
  accesstime?: string
  changetime?: string
  devMajor?: number
  devMinor?: number
  /** Values in base64. */
  xattrs?: Record<string, string>
  /** Of a regular file. */
  digest?: Digest
  offset?: number
  endOffset?: number
  chunkSize?: number
  chunkOffset?: number
  chunkDigest?: Digest
}

const TYPES: Record<string, ContainersEntry['type']> = {
  [FLAG.reg]: 'reg',
  [FLAG.oldReg]: 'reg',
  [FLAG.link]: 'hardlink',
  [FLAG.symlink]: 'symlink',
  [FLAG.char]: 'char',
  [FLAG.block]: 'block',
  [FLAG.dir]: 'dir',
  [FLAG.fifo]: 'fifo',
}

/** Passed over by containers/storage (1.57) when it pulls in parts; a hard link to one ends the pull. */
const LOST: ReadonlySet<ContainersEntry['type']> = new Set(['char', 'block', 'fifo'])

/**
 * @param header all header blocks of an entry, extension records included
 * @returns also whether a reader in parts ends with what the header says: JSON has no bytes that are not UTF-8,
 * RFC 3339 has no far years, and containers/storage makes no devices and pipes
 */
export function containersEntry(header: Buffer): { entry: ContainersEntry; isExact: boolean } {
  const { block, extensions } = takeApart(header)
  const extended = applyExtensions(parseHeader(block, 0), extensions, 0)
  const { mode, sizeBytes, uid, gid, xattrs } = extended
  const name = extended.name.toString('utf8')
  const linkName = extended.linkName.toString('utf8')
  const times = timesOf(block, extensions.records, extended.mtimeNanoseconds)
  // What cannot be written is the nearest that can, as in the other TOCs; nobody pulls such a layer in parts.
  const modtime = times.modtime ?? formatModtime(extended.mtimeNanoseconds)
  const fields = { linkName, mode, size: sizeBytes, uid, gid, ...times, modtime, ...deviceOf(block) }
  const entry: ContainersEntry = { type: TYPES[extended.flag] ?? 'reg', name, ...withoutEmpty(fields) }
  if (xattrs.length > 0) entry.xattrs = encodeXattrs(xattrs)
  const isExact =
    TYPES[extended.flag] !== undefined &&
    !LOST.has(entry.type) &&
    isText(extended.name, name) &&
    isText(extended.linkName, linkName) &&
    Object.values(times).every((time) => time !== undefined) &&
    // Their reader takes an empty name for the end; a name that was not UTF-8 is not the same any more.
    xattrs.every((xattr) => xattr.name !== '' && !xattr.name.includes('\ufffd'))
  return { entry, isExact }
}

/** Zero and empty are what an absent field means. */
function withoutEmpty<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== 0 && value !== ''),
  ) as Partial<T>
}

function takeApart(header: Buffer): { block: Buffer; extensions: Extensions } {
  const extensions: Extensions = { records: [], longName: undefined, longLink: undefined }
  for (let at = 0; ; ) {
    const block = header.subarray(at, at + BLOCK_BYTES)
    const { flag, sizeBytes } = parseHeader(block, at)
    const data = header.subarray(at + BLOCK_BYTES, at + BLOCK_BYTES + sizeBytes)
    if (flag === FLAG.pax) extensions.records = parsePaxRecords(data, at)
    else if (flag === FLAG.gnuLongName) extensions.longName = cString(data, 0, sizeBytes)
    else if (flag === FLAG.gnuLongLink) extensions.longLink = cString(data, 0, sizeBytes)
    else return { block, extensions }
    at += BLOCK_BYTES + sizeBytes + paddingBytes(sizeBytes)
  }
}

function isText(bytes: Buffer, text: string): boolean {
  return Buffer.from(text).equals(bytes)
}

type Times = Record<'modtime' | 'accesstime' | 'changetime', string | undefined>

function timesOf(block: Buffer, records: readonly PaxRecord[], mtime: bigint): Times {
  const inHeader = headerTimes(block)
  const fromRecord = (key: string, otherwise: bigint) => {
    const record = records.findLast((each) => each.key === key)
    return record === undefined || record.value.length === 0 ? otherwise : paxTimeNanoseconds(record, 0)
  }
  return {
    modtime: formatTime(mtime),
    accesstime: formatTime(fromRecord('atime', inHeader.access)),
    changetime: formatTime(fromRecord('ctime', inHeader.change)),
  }
}

const NANOSECONDS = 1_000_000_000n
/** RFC 3339 knows four digits of year. */
const SECONDS_MIN = -62_135_596_800n
const SECONDS_MAX = 253_402_300_799n

/** Empty for the epoch, which readers take for no time; undefined for what RFC 3339 cannot write. */
function formatTime(nanoseconds: bigint): string | undefined {
  if (nanoseconds === 0n) return ''
  const fraction = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  const seconds = (nanoseconds - fraction) / NANOSECONDS
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) return undefined
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '')
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${whole}${digits === '' ? '' : `.${digits}`}Z`
}

const NO_TIMES = { access: 0n, change: 0n }

/** Times that a header of GNU or star has beside the one of all headers. */
function headerTimes(block: Buffer): { access: bigint; change: bigint } {
  const magic = block.toString('latin1', 257, 265)
  const star = magic.startsWith('ustar\0') && block.toString('latin1', 508, 512) === 'tar\0'
  const gnu = magic === 'ustar  \0'
  if (!star && !gnu) return NO_TIMES
  const start = star ? 476 : 345
  try {
    const time = (at: number, name: string) =>
      gnu && block[at] === 0 ? 0n : BigInt(numberField(block, at, at + 12, name, 0)) * NANOSECONDS
    return { access: time(start, 'atime'), change: time(start + 12, 'ctime') }
  } catch {
    // Not times but a name's prefix, of writers that call themselves GNU.
    return NO_TIMES
  }
}

/** Of every type: the original's reader looks at these fields in each header that has them. */
function deviceOf(block: Buffer): { devMajor: number; devMinor: number } {
  const hasFields = block.toString('latin1', 257, 262) === 'ustar'
  if (!hasFields) return { devMajor: 0, devMinor: 0 }
  return {
    devMajor: numberField(block, 329, 337, 'devmajor', 0),
    devMinor: numberField(block, 337, 345, 'devminor', 0),
  }
}

function encodeXattrs(xattrs: readonly { name: string; value: Buffer }[]): Record<string, string> {
  const encoded: Record<string, string> = Object.create(null)
  for (const { name, value } of xattrs.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    encoded[name] = value.toString('base64')
  }
  return encoded
}

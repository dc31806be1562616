/**
 * Headers that we make ourselves: of landmarks and the TOC, of sparse files, of hard links that lost their target.
 * Everything else keeps the header bytes it came with.
 */
import { BLOCK_BYTES, FLAG, paddingBytes } from './header.ts'
import { formatPaxRecords, type PaxRecord } from './pax.ts'

export interface HeaderFields {
  flag: string
  name: Buffer
  linkName?: Buffer
  sizeBytes: number
  mode?: number
  uid?: number
  gid?: number
  userName?: Buffer
  groupName?: Buffer
  mtimeNanoseconds?: bigint
  devMajor?: number
  devMinor?: number
}

const NANOSECONDS = 1_000_000_000n
const EMPTY = Buffer.alloc(0)
const ID_MAX = 0o7777777
const OCTAL_11_MAX = 0o77777777777
const NAME_BYTES = 100
const OWNER_BYTES = 31

/**
 * A ustar header; what does not fit goes into a pax header before it.
 * @param records further pax records; they win over the fields
 */
export function encodeHeader(fields: HeaderFields, records: readonly PaxRecord[] = []): Buffer {
  const given = new Set(records.map(({ key }) => key))
  const all = [...overflowRecords(fields).filter(({ key }) => !given.has(key)), ...records]
  const main = encodeBlock(fields)
  if (all.length === 0) return main
  const data = formatPaxRecords(all)
  const pax = encodeBlock({
    flag: FLAG.pax,
    name: Buffer.concat([Buffer.from('PaxHeaders.0/'), baseName(fields.name)]),
    sizeBytes: data.length,
  })
  return Buffer.concat([pax, data, Buffer.alloc(paddingBytes(data.length)), main])
}

/** Records for what the ustar fields cannot hold. */
function overflowRecords(fields: HeaderFields): PaxRecord[] {
  const records: PaxRecord[] = []
  const add = (key: string, value: Buffer | number) =>
    records.push({ key, value: Buffer.isBuffer(value) ? value : Buffer.from(String(value)) })
  const { linkName = EMPTY, userName = EMPTY, groupName = EMPTY, uid = 0, gid = 0 } = fields
  if (needsRecord(fields.name, NAME_BYTES)) add('path', fields.name)
  if (needsRecord(linkName, NAME_BYTES)) add('linkpath', linkName)
  if (fields.sizeBytes > OCTAL_11_MAX) add('size', fields.sizeBytes)
  if (!fitsId(uid)) add('uid', uid)
  if (!fitsId(gid)) add('gid', gid)
  if (needsRecord(userName, OWNER_BYTES)) add('uname', userName)
  if (needsRecord(groupName, OWNER_BYTES)) add('gname', groupName)
  const mtime = fields.mtimeNanoseconds ?? 0n
  if (mtime % NANOSECONDS !== 0n || !fitsTime(mtime)) add('mtime', Buffer.from(formatTime(mtime)))
  return records
}

function needsRecord(text: Buffer, bytesMax: number): boolean {
  return text.length > bytesMax || text.some((byte) => byte > 0x7f)
}

function fitsId(id: number): boolean {
  return id >= 0 && id <= ID_MAX
}

function fitsTime(nanoseconds: bigint): boolean {
  return nanoseconds >= 0n && nanoseconds / NANOSECONDS <= BigInt(OCTAL_11_MAX)
}

/** Seconds with as many decimals as needed, as pax writes times. */
function formatTime(nanoseconds: bigint): string {
  const magnitude = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const fraction = (magnitude % NANOSECONDS).toString().padStart(9, '0').replace(/0+$/, '')
  const sign = nanoseconds < 0n ? '-' : ''
  return `${sign}${magnitude / NANOSECONDS}${fraction === '' ? '' : `.${fraction}`}`
}

function baseName(name: Buffer): Buffer {
  const text = name.toString('latin1').replace(/\/+$/, '')
  return Buffer.from(text.slice(text.lastIndexOf('/') + 1), 'latin1')
}

function encodeBlock(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  const text = (bytes: Buffer, at: number, bytesMax: number) => bytes.copy(block, at, 0, bytesMax)
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  const { mode = 0, uid = 0, gid = 0, mtimeNanoseconds = 0n } = fields
  text(fields.name, 0, NAME_BYTES)
  octal(mode % (ID_MAX + 1), 100, 7)
  octal(fitsId(uid) ? uid : 0, 108, 7)
  octal(fitsId(gid) ? gid : 0, 116, 7)
  octal(fields.sizeBytes <= OCTAL_11_MAX ? fields.sizeBytes : 0, 124, 11)
  octal(fitsTime(mtimeNanoseconds) ? Number(mtimeNanoseconds / NANOSECONDS) : 0, 136, 11)
  block.write(fields.flag, 156, 'latin1')
  text(fields.linkName ?? EMPTY, 157, NAME_BYTES)
  block.write('ustar\x0000', 257, 'latin1')
  text(fields.userName ?? EMPTY, 265, OWNER_BYTES)
  text(fields.groupName ?? EMPTY, 297, OWNER_BYTES)
  octal(fields.devMajor ?? 0, 329, 7)
  octal(fields.devMinor ?? 0, 337, 7)
  setChecksum(block)
  return block
}

function setChecksum(block: Buffer): void {
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(sum.toString(8).padStart(6, '0'), 148, 'latin1')
  block[154] = 0
}

/** The same header block with another type flag. */
export function withFlag(block: Buffer, flag: string): Buffer {
  const changed = Buffer.from(block)
  changed.write(flag, 156, 'latin1')
  setChecksum(changed)
  return changed
}

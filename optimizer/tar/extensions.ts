/** Extension records (pax, GNU long names) applied to the header that they precede, in the order Go applies them. */
import { FLAG, type RawHeader } from './header.ts'
import { type PaxRecord, paxInteger, paxTimeNanoseconds, XATTR_PREFIX } from './pax.ts'

/** What preceded a header. */
export interface Extensions {
  /** Records of the last pax header. */
  records: readonly PaxRecord[]
  longName: Buffer | undefined
  longLink: Buffer | undefined
}

/** A header with its extensions applied. */
export interface ExtendedHeader extends Omit<RawHeader, 'mtimeSeconds'> {
  mtimeNanoseconds: bigint
  xattrs: { name: string; value: Buffer }[]
}

const NANOSECONDS = 1_000_000_000n
const SLASH = 0x2f
const NO_XATTRS: ExtendedHeader['xattrs'] = []

/** @throws {TarFormatError} a record that is no number where one must be */
export function applyExtensions(raw: RawHeader, extensions: Extensions, offset: number): ExtendedHeader {
  // Field by field: rest and spread would take microseconds, for each entry of a layer.
  const header: ExtendedHeader = {
    flag: raw.flag,
    gnu: raw.gnu,
    name: raw.name,
    linkName: raw.linkName,
    sizeBytes: raw.sizeBytes,
    mode: raw.mode,
    uid: raw.uid,
    gid: raw.gid,
    userName: raw.userName,
    groupName: raw.groupName,
    devMajor: raw.devMajor,
    devMinor: raw.devMinor,
    mtimeNanoseconds: raw.mtimeSeconds * NANOSECONDS,
    xattrs: xattrsOf(extensions.records),
  }
  // An empty value means: as if the record were not there.
  for (const record of extensions.records) if (record.value.length > 0) applyRecord(header, record, offset)
  // An empty one is none.
  if (extensions.longName?.length) header.name = extensions.longName
  if (extensions.longLink?.length) header.linkName = extensions.longLink
  const oldDirectory = header.flag === FLAG.oldReg && header.name.at(-1) === SLASH
  if (oldDirectory) header.flag = FLAG.dir
  return header
}

function applyRecord(header: ExtendedHeader, record: PaxRecord, offset: number): void {
  switch (record.key) {
    case 'path':
      header.name = record.value
      break
    case 'linkpath':
      header.linkName = record.value
      break
    case 'size':
      header.sizeBytes = paxInteger(record, offset)
      break
    case 'uid':
      header.uid = paxInteger(record, offset)
      break
    case 'gid':
      header.gid = paxInteger(record, offset)
      break
    case 'uname':
      header.userName = record.value
      break
    case 'gname':
      header.groupName = record.value
      break
    case 'mtime':
      header.mtimeNanoseconds = paxTimeNanoseconds(record, offset)
      break
  }
}

/** The last value of each name. */
function xattrsOf(records: readonly PaxRecord[]): ExtendedHeader['xattrs'] {
  if (records.length === 0) return NO_XATTRS
  const values = new Map<string, Buffer>()
  for (const { key, value } of records) {
    if (key.startsWith(XATTR_PREFIX)) values.set(key.slice(XATTR_PREFIX.length), value)
  }
  return values.size === 0 ? NO_XATTRS : [...values].map(([name, value]) => ({ name, value }))
}

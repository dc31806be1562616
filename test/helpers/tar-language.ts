/**
 * Tars in a few words, for tests: `tarOf([dir('bin/'), file('bin/sh', 'x', { mode: 0o755 })])`. Written by hand from
 * the formats' descriptions, apart from optimizer/tar, which it tests.
 */

export type TarFormat = 'ustar' | 'pax' | 'gnu' | 'v7'

export interface ItemOptions {
  format?: TarFormat
  mode?: number
  uid?: number
  gid?: number
  userName?: string
  groupName?: string
  /** Seconds; in pax format any decimal text. */
  mtime?: number | string
  xattrs?: Record<string, Buffer | string>
  /** Further pax records, in order. */
  records?: [key: string, value: Buffer | string][]
  linkName?: string | Buffer
  devMajor?: number
  devMinor?: number
  /** What the size field says, when it is not the content's size. */
  claimedSize?: number
  /** Last touch on the header block, before its checksum. */
  patch?(block: Buffer): void
}

export interface TarItem extends ItemOptions {
  flag: string
  name: Buffer
  content: Buffer
}

function item(flag: string, name: string | Buffer, content: string | Buffer, options: ItemOptions): TarItem {
  return { ...options, flag, name: Buffer.from(name as string), content: Buffer.from(content as string) }
}

export const file = (name: string | Buffer, content: string | Buffer = '', options: ItemOptions = {}) =>
  item('0', name, content, options)
export const dir = (name: string | Buffer, options: ItemOptions = {}) =>
  item('5', name, '', { mode: 0o755, ...options })
export const link = (name: string | Buffer, linkName: string | Buffer, options: ItemOptions = {}) =>
  item('1', name, '', { ...options, linkName })
export const symlink = (name: string | Buffer, linkName: string | Buffer, options: ItemOptions = {}) =>
  item('2', name, '', { ...options, linkName })
export const device = (name: string, devMajor: number, devMinor: number, options: ItemOptions = {}) =>
  item('3', name, '', { ...options, devMajor, devMinor })
export const fifo = (name: string, options: ItemOptions = {}) => item('6', name, '', options)
/** An entry of any type flag. */
export const raw = (
  flag: string,
  name: string | Buffer,
  content: string | Buffer = '',
  options: ItemOptions = {},
) => item(flag, name, content, options)
/** A pax header of its own: `x` for the next entry, `g` for all that follow. */
export const paxHeader = (flag: 'x' | 'g', records: [string, Buffer | string][]) =>
  item(flag, 'pax_header', paxRecords(records), {})

export interface TarEnding {
  /** Blocks of zeros at the end; 2 by default. */
  zeroBlocks?: number
  /** After those. */
  garbage?: Buffer
}

export function tarOf(
  items: readonly TarItem[],
  { zeroBlocks = 2, garbage = Buffer.alloc(0) }: TarEnding = {},
): Buffer {
  return Buffer.concat([...items.map(entryBytes), Buffer.alloc(512 * zeroBlocks), garbage])
}

/** Header blocks, content and padding of one entry. */
export function entryBytes(entry: TarItem): Buffer {
  return Buffer.concat([headerBytes(entry), entry.content, padding(entry.content.length)])
}

/** All header blocks of one entry, extension records included. */
export function headerBytes(entry: TarItem): Buffer {
  switch (entry.format ?? 'ustar') {
    case 'gnu':
      return Buffer.concat([...gnuExtensions(entry), headerBlock(entry)])
    case 'pax':
      return Buffer.concat([...paxExtensions(entry), headerBlock(entry)])
    default:
      return headerBlock(entry)
  }
}

export function paxRecords(records: readonly [string, Buffer | string][]): Buffer {
  return Buffer.concat(
    records.map(([key, value]) => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')])
      let digits = 1
      while (String(digits + rest.length).length !== digits) digits++
      return Buffer.concat([Buffer.from(String(digits + rest.length)), rest])
    }),
  )
}

function padding(size: number): Buffer {
  return Buffer.alloc((512 - (size % 512)) % 512)
}

function paxExtensions(entry: TarItem): Buffer[] {
  const records: [string, Buffer | string][] = [...(entry.records ?? [])]
  if (entry.name.length > 100) records.push(['path', entry.name])
  const linkName = Buffer.from((entry.linkName ?? '') as string)
  if (linkName.length > 100) records.push(['linkpath', linkName])
  for (const key of ['uid', 'gid'] as const) {
    if ((entry[key] ?? 0) > 0o7777777) records.push([key, String(entry[key])])
  }
  if (typeof entry.mtime === 'string') records.push(['mtime', entry.mtime])
  for (const [name, value] of Object.entries(entry.xattrs ?? {}))
    records.push([`SCHILY.xattr.${name}`, value])
  return records.length === 0 ? [] : [entryBytes(paxHeader('x', records))]
}

function gnuExtensions(entry: TarItem): Buffer[] {
  const long = (flag: string, text: Buffer) =>
    entryBytes(item(flag, '././@LongLink', Buffer.concat([text, Buffer.alloc(1)]), { format: 'v7' }))
  const linkName = Buffer.from((entry.linkName ?? '') as string)
  return [
    ...(linkName.length > 100 ? [long('K', linkName)] : []),
    ...(entry.name.length > 100 ? [long('L', entry.name)] : []),
  ]
}

function headerBlock(entry: TarItem): Buffer {
  const block = Buffer.alloc(512)
  const format = entry.format ?? 'ustar'
  const number = (value: number, start: number, bytes: number) => {
    const fits = value >= 0 && value < 8 ** (bytes - 1)
    if (fits) block.write(`${value.toString(8).padStart(bytes - 1, '0')}\0`, start, 'latin1')
    else if (format === 'gnu') base256(block, value, start, bytes)
  }
  entry.name.copy(block, 0, 0, 100)
  number(entry.mode ?? 0o644, 100, 8)
  number(entry.uid ?? 0, 108, 8)
  number(entry.gid ?? 0, 116, 8)
  number(entry.claimedSize ?? entry.content.length, 124, 12)
  number(typeof entry.mtime === 'number' ? entry.mtime : 0, 136, 12)
  block.write(entry.flag, 156, 'latin1')
  Buffer.from((entry.linkName ?? '') as string).copy(block, 157, 0, 100)
  if (format !== 'v7') {
    block.write(format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1')
    block.write(entry.userName ?? '', 265)
    block.write(entry.groupName ?? '', 297)
    if (entry.devMajor !== undefined) number(entry.devMajor, 329, 8)
    if (entry.devMinor !== undefined) number(entry.devMinor, 337, 8)
  }
  entry.patch?.(block)
  sealChecksum(block)
  return block
}

function base256(block: Buffer, value: number, start: number, bytes: number): void {
  let rest = BigInt(value)
  for (let at = start + bytes - 1; at >= start; at--) {
    block[at] = Number(BigInt.asUintN(8, rest))
    rest >>= 8n
  }
  block[start] = (block[start] as number) | 0x80
}

/** Writes the sum of a block's bytes where it belongs. */
export function sealChecksum(block: Buffer): void {
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0`, 148, 'latin1')
}

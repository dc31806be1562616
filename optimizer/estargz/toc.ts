/**
 * The table of contents of an eStargz blob, as objects and as JSON.
 *
 * @see stargz-snapshotter, docs/estargz.md, "TOC, TOCEntries and Footer"; estargz/types.go, JTOC and TOCEntry
 */
import { PreconditionError } from '../../shared/errors.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { EntryType, TarEntry } from '../tar/entry.ts'

export const TOC_VERSION = 1

/** Fields in the order of the specification; what is zero or empty is left out. */
export interface TocEntry {
  /** As in the tar; bytes that are not UTF-8 appear as U+FFFD: JSON has no others. */
  name: string
  type: 'dir' | 'reg' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'chunk'
  size?: number
  /** RFC 3339, UTC, whole seconds. */
  modtime?: string
  linkName?: string
  mode?: number
  uid?: number
  gid?: number
  /** On the first entry of this uid only. */
  userName?: string
  groupName?: string
  /** Where the member that begins with this content lies in the blob. */
  offset?: number
  /** Of the containers dialect: where in the blob its last frame ends. */
  endOffset?: number
  /** Where this content begins in the uncompressed member, when others come before it. */
  innerOffset?: number
  devMajor?: number
  devMinor?: number
  /** Values in base64. */
  xattrs?: Record<string, string>
  /** Of a regular file's whole content. */
  digest?: Digest
  chunkOffset?: number
  /** Absent on the last chunk: it goes to the end of the file. */
  chunkSize?: number
  chunkDigest?: Digest
}

export interface Toc {
  version: number
  entries: TocEntry[]
  /** Of the containers dialect: of the compressed tar-split data. */
  tarSplitDigest?: Digest
}

/** A TOC cannot be read. Codes: TOC_MALFORMED, TOC_VERSION_UNSUPPORTED. */
export class TocError extends PreconditionError {}

/** Where the content of a regular file, or the first chunk of it, lies, and its digests. */
export interface TocContent {
  offset: number
  innerOffset: number
  digest: Digest
  /** 0 for the last chunk. */
  chunkSize: number
  chunkDigest: Digest
}

/** Entries of a tar as those of a TOC; stateful, because owner names are told once per id. */
export class TocEntries {
  readonly #userNames = new Map<number, string>()
  readonly #groupNames = new Map<number, string>()
  readonly #modtimes = new Modtimes()

  /** @param content of a regular file that is not empty */
  fromTar(entry: TarEntry, content?: TocContent): TocEntry {
    const link = entry.type === 'symlink' || entry.type === 'hardlink'
    const toc: TocEntry = { name: entry.name.toString('utf8'), type: entry.type satisfies EntryType }
    setUnlessEmpty(toc, 'size', entry.type === 'reg' ? entry.sizeBytes : 0)
    setUnlessEmpty(toc, 'modtime', formatModtime(entry.mtimeNanoseconds))
    setUnlessEmpty(toc, 'linkName', link ? entry.linkName.toString('utf8') : '')
    setUnlessEmpty(toc, 'mode', entry.mode)
    setUnlessEmpty(toc, 'uid', entry.uid)
    setUnlessEmpty(toc, 'gid', entry.gid)
    setUnlessEmpty(toc, 'userName', nameIfNew(this.#userNames, entry.uid, entry.userName))
    setUnlessEmpty(toc, 'groupName', nameIfNew(this.#groupNames, entry.gid, entry.groupName))
    setUnlessEmpty(toc, 'offset', content?.offset ?? 0)
    setUnlessEmpty(toc, 'innerOffset', content?.innerOffset ?? 0)
    setUnlessEmpty(toc, 'devMajor', entry.devMajor)
    setUnlessEmpty(toc, 'devMinor', entry.devMinor)
    if (entry.xattrs.length > 0) toc.xattrs = encodeXattrs(entry.xattrs)
    if (entry.type === 'reg') toc.digest = content?.digest ?? EMPTY_DIGEST
    if (content === undefined) return toc
    setUnlessEmpty(toc, 'chunkSize', content.chunkSize)
    toc.chunkDigest = content.chunkDigest
    return toc
  }

  /** JSON of {@link fromTar}, in half the time: a layer has tens of thousands of entries. */
  textFromTar(entry: TarEntry, content?: TocContent): string {
    const { type, mode, uid, gid, devMajor, devMinor, xattrs } = entry
    const link = type === 'symlink' || type === 'hardlink' ? entry.linkName.toString('utf8') : ''
    const modtime = this.#modtimes.of(entry.mtimeNanoseconds)
    const userName = nameIfNew(this.#userNames, uid, entry.userName)
    const groupName = nameIfNew(this.#groupNames, gid, entry.groupName)
    let text = `{"name":${JSON.stringify(entry.name.toString('utf8'))},"type":"${type}"`
    if (type === 'reg' && entry.sizeBytes !== 0) text += `,"size":${entry.sizeBytes}`
    if (modtime !== '') text += `,"modtime":"${modtime}"`
    if (link !== '') text += `,"linkName":${JSON.stringify(link)}`
    if (mode !== 0) text += `,"mode":${mode}`
    if (uid !== 0) text += `,"uid":${uid}`
    if (gid !== 0) text += `,"gid":${gid}`
    if (userName !== '') text += `,"userName":${JSON.stringify(userName)}`
    if (groupName !== '') text += `,"groupName":${JSON.stringify(groupName)}`
    if (content !== undefined && content.offset !== 0) text += `,"offset":${content.offset}`
    if (content !== undefined && content.innerOffset !== 0) text += `,"innerOffset":${content.innerOffset}`
    if (devMajor !== 0) text += `,"devMajor":${devMajor}`
    if (devMinor !== 0) text += `,"devMinor":${devMinor}`
    if (xattrs.length > 0) text += `,"xattrs":${JSON.stringify(encodeXattrs(xattrs))}`
    if (type === 'reg') text += `,"digest":"${content?.digest ?? EMPTY_DIGEST}"`
    if (content === undefined) return `${text}}`
    const size = content.chunkSize === 0 ? '' : `,"chunkSize":${content.chunkSize}`
    return `${text}${size},"chunkDigest":"${content.chunkDigest}"}`
  }
}

/** Most entries have the time of the one before. */
class Modtimes {
  #nanoseconds = 0n
  #text = ''

  of(nanoseconds: bigint): string {
    if (nanoseconds !== this.#nanoseconds) {
      this.#nanoseconds = nanoseconds
      this.#text = formatModtime(nanoseconds)
    }
    return this.#text
  }
}

/** A further chunk of the file before it. */
export function chunkEntry(name: string, chunkOffset: number, content: Omit<TocContent, 'digest'>): TocEntry {
  const { offset, innerOffset, chunkSize, chunkDigest } = content
  const entry: TocEntry = { name, type: 'chunk', offset }
  setUnlessEmpty(entry, 'innerOffset', innerOffset)
  entry.chunkOffset = chunkOffset
  setUnlessEmpty(entry, 'chunkSize', chunkSize)
  entry.chunkDigest = chunkDigest
  return entry
}

const EMPTY_DIGEST = digestOf('')

/** Zero and empty are what an absent field means. */
function setUnlessEmpty<Key extends keyof TocEntry>(toc: TocEntry, key: Key, value: TocEntry[Key]): void {
  if (value !== 0 && value !== '') toc[key] = value
}

function nameIfNew(names: Map<number, string>, id: number, bytes: Buffer): string {
  const name = bytes.toString('utf8')
  if (name === '' || names.get(id) === name) return ''
  names.set(id, name)
  return name
}

function encodeXattrs(xattrs: TarEntry['xattrs']): Record<string, string> {
  const encoded: Record<string, string> = Object.create(null)
  for (const { name, value } of xattrs.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    encoded[name] = value.toString('base64')
  }
  return encoded
}

const NANOSECONDS = 1_000_000_000n
/** RFC 3339 knows four digits of year. */
const SECONDS_MIN = -62_135_596_800n
const SECONDS_MAX = 253_402_300_799n

/** Rounded to the nearest second, half up; empty within the epoch's first second, as the original has it. */
export function formatModtime(nanoseconds: bigint): string {
  if (floorDivide(nanoseconds, NANOSECONDS) === 0n) return ''
  let seconds = floorDivide(nanoseconds + NANOSECONDS / 2n, NANOSECONDS)
  if (seconds < SECONDS_MIN) seconds = SECONDS_MIN
  if (seconds > SECONDS_MAX) seconds = SECONDS_MAX
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value < 0n && value % divisor !== 0n ? quotient - 1n : quotient
}

/** Text is gathered in memory of this size before it becomes a piece of its own. */
const GATHERED_BYTES = 512 * 1024
/** What one character of a string takes at the most. */
const UTF8_BYTES_MAX = 3

/**
 * The TOC's text, made as its entries come: a large layer's entries as objects would fill the memory. Compact JSON;
 * nothing follows the closing brace, since readers hash all that they are given.
 */
export class TocText<Entry extends object = TocEntry> {
  readonly #pieces: Buffer[] = []
  readonly #gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES)
  #gatheredBytes = 0
  /** An entry that may still change, and what follows it. */
  #waiting: (Entry | string)[] = []
  /** Between what is there and the next entry. */
  #separator = ''

  constructor() {
    this.#write(`{"version":${TOC_VERSION},"entries":[`)
  }

  /** @param entry itself or its JSON. @param isWhole false while an entry that was added may still change */
  add(entry: Entry | string, isWhole: boolean): void {
    if (isWhole && this.#waiting.length === 0) {
      this.#writeEntry(entry)
      return
    }
    this.#waiting.push(entry)
    if (isWhole) this.#writeWaiting()
  }

  /** In pieces, whose bytes follow each other. Once only. @param fields of the TOC itself, behind its entries */
  end(fields: Record<string, string> = {}): Buffer[] {
    this.#writeWaiting()
    const more = Object.entries(fields).map(
      ([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`,
    )
    this.#write(`]${more.join('')}}`)
    this.#cut()
    return this.#pieces
  }

  #writeWaiting(): void {
    for (const entry of this.#waiting) this.#writeEntry(entry)
    this.#waiting = []
  }

  #writeEntry(entry: Entry | string): void {
    this.#write(this.#separator + (typeof entry === 'string' ? entry : JSON.stringify(entry)))
    this.#separator = ','
  }

  #write(text: string): void {
    if (text.length * UTF8_BYTES_MAX > GATHERED_BYTES - this.#gatheredBytes) this.#cut()
    if (text.length * UTF8_BYTES_MAX > GATHERED_BYTES) this.#pieces.push(Buffer.from(text))
    else this.#gatheredBytes += this.#gathered.write(text, this.#gatheredBytes)
  }

  /** What is gathered is a piece. Its memory is its own, to be given back by whoever has used it. */
  #cut(): void {
    if (this.#gatheredBytes > 0)
      this.#pieces.push(Buffer.from(this.#gathered.subarray(0, this.#gatheredBytes)))
    this.#gatheredBytes = 0
  }
}

/** @throws {TocError} */
export function parseToc(json: Buffer): Toc {
  let toc: unknown
  try {
    toc = JSON.parse(json.toString('utf8'))
  } catch (cause) {
    throw new TocError('TOC_MALFORMED', 'the TOC is not JSON', { cause })
  }
  const { version, entries, tarSplitDigest } = (isRecord(toc) ? toc : {}) as Partial<Toc>
  if (version !== TOC_VERSION) {
    throw new TocError(
      'TOC_VERSION_UNSUPPORTED',
      `the TOC has version ${String(version)}, not ${TOC_VERSION}`,
    )
  }
  if (typeof (tarSplitDigest ?? '') !== 'string')
    throw new TocError('TOC_MALFORMED', 'the TOC has a "tarSplitDigest" that is no text')
  if (!Array.isArray(entries)) throw new TocError('TOC_MALFORMED', 'the TOC has no array "entries"')
  for (const [index, entry] of entries.entries()) requireEntry(entry, index)
  return toc as unknown as Toc
}

/** Bytes and places. */
const SIZES = ['size', 'offset', 'endOffset', 'innerOffset', 'chunkOffset', 'chunkSize'] as const
/** What a tar may have below zero. */
const NUMBERS = ['mode', 'uid', 'gid', 'devMajor', 'devMinor'] as const
const TEXTS = ['modtime', 'linkName', 'userName', 'groupName', 'digest', 'chunkDigest'] as const

/** What is absent may be null: in Go, which readers are written in, both are zero. */
function requireEntry(value: unknown, index: number): void {
  const entry = isRecord(value) ? value : {}
  const wrong =
    ['name', 'type'].find((key) => typeof entry[key] !== 'string') ??
    SIZES.find((key) => !isInteger(entry[key] ?? 0) || Number(entry[key] ?? 0) < 0) ??
    NUMBERS.find((key) => !isInteger(entry[key] ?? 0)) ??
    TEXTS.find((key) => typeof (entry[key] ?? '') !== 'string') ??
    (areXattrs(entry.xattrs ?? {}) ? undefined : 'xattrs')
  if (wrong !== undefined)
    throw new TocError('TOC_MALFORMED', `entry ${index} of the TOC is malformed: its ${wrong}`)
}

function isInteger(value: unknown): boolean {
  return Number.isSafeInteger(value)
}

function areXattrs(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

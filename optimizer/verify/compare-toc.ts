/** A layer's TOC against the tar it describes: every entry and field, every chunk's place and content. */
import type { LayerToc } from '../estargz/reader.ts'
import { formatModtime, type TocEntry } from '../estargz/toc.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import { TOC_NAME } from '../tar/format-names.ts'
import { keepLastOfName } from '../tar/last-wins.ts'
import type { Findings } from './difference.ts'
import { FORMAT_RULES } from './lazy-format.ts'
import { Queues } from './queues.ts'
import type { Scan } from './scan.ts'
import { shownPath } from './shown-path.ts'
import { chunksOf, covers, type TocChunk, type TocItem, tocKey } from './toc-claims.ts'
import { parseTocTime } from './toc-time.ts'

export interface TocComparison {
  entries: number
  chunks: number
}

/** @param mayRepeat the tar is the source's, names that come again included: the TOC need not have but the last of each */
export function compareToc(
  found: LayerToc,
  items: readonly TocItem[],
  scan: Scan,
  mayRepeat: boolean,
  findings: Findings,
): TocComparison {
  const comparing = new TocComparing(found, scan, findings)
  const entries = mayRepeat ? withoutUntold(scan.entries, items) : scan.entries
  for (const item of pairInOrder(items, entries, findings)) comparing.compare(item.entry, item.item)
  return { entries: items.length, chunks: comparing.chunks }
}

interface Pair {
  entry: TarEntry
  item: TocItem
}

/** All entries but those that count for nothing, as far as the TOC does not have them. */
function withoutUntold(entries: readonly TarEntry[], items: readonly TocItem[]): readonly TarEntry[] {
  const kept = new Set(keepLastOfName(entries.map((entry) => ({ ...entry }))).entries.map(placeOf))
  if (kept.size === entries.length) return entries
  const untold = new Map<PathKey, number>()
  const count = (key: PathKey, by: number) => untold.set(key, (untold.get(key) ?? 0) + by)
  for (const entry of entries) count(keyOf(entry), 1)
  for (const { key } of items) count(key, -1)
  return entries.filter((entry) => {
    const key = keyOf(entry)
    if (kept.has(placeOf(entry)) || (untold.get(key) ?? 0) <= 0) return true
    count(key, -1)
    return false
  })
}

function placeOf({ headerOffset }: TarEntry): number {
  return headerOffset
}

function keyOf({ name }: TarEntry): PathKey {
  return tocKey(name.toString('utf8'))
}

/** Entries of the same name belong together, the first with the first; what has no partner is told. */
function pairInOrder(items: readonly TocItem[], entries: readonly TarEntry[], findings: Findings): Pair[] {
  const waiting = new Queues<TarEntry>()
  for (const entry of entries) if (entry.path !== TOC_NAME) waiting.add(keyOf(entry), entry)
  const pairs: Pair[] = []
  for (const item of items) {
    const entry = waiting.take(item.key)
    if (entry !== undefined) pairs.push({ entry, item })
    else if (waiting.has(item.key))
      findings.add('TOC_ENTRY_REPEATED', shownPath(item.key), `entry ${item.index} of the TOC`)
    else
      findings.add(
        'TOC_ENTRY_ADDED',
        shownPath(item.key),
        `entry ${item.index} of the TOC, a ${item.entry.type}`,
      )
  }
  for (const entry of waiting.rest())
    findings.add('TOC_ENTRY_MISSING', shownPath(entry.path), `a ${entry.type} in the tar`)
  const late = pairs.find(({ entry }, at) => {
    const before = pairs[at - 1]?.entry
    return before !== undefined && before.headerOffset > entry.headerOffset
  })
  if (late !== undefined) {
    findings.add(
      'TOC_ORDER',
      shownPath(late.entry.path),
      `entry ${late.item.index} of the TOC comes earlier in the tar`,
    )
  }
  return pairs
}

class TocComparing {
  readonly #found: LayerToc
  readonly #scan: Scan
  readonly #findings: Findings
  /** The last name that was said of an id: it is left out while it stays the same. */
  readonly #userNames = new Map<number, string>()
  readonly #groupNames = new Map<number, string>()
  chunks = 0

  constructor(found: LayerToc, scan: Scan, findings: Findings) {
    this.#found = found
    this.#scan = scan
    this.#findings = findings
  }

  compare(entry: TarEntry, item: TocItem): void {
    const path = shownPath(entry.path)
    const told = item.entry
    const expect = (field: string, expected: string | number, actual: string | number) => {
      if (expected === actual) return
      this.#findings.add('TOC_FIELD', path, `${field}: the tar has ${expected}, the TOC ${actual}`)
    }
    expect('type', entry.type, told.type)
    if (entry.type !== told.type) return
    expect('size', entry.type === 'reg' ? entry.sizeBytes : 0, told.size ?? 0)
    expect('mode', entry.mode, told.mode ?? 0)
    expect('uid', entry.uid, told.uid ?? 0)
    expect('gid', entry.gid, told.gid ?? 0)
    expect('devMajor', entry.devMajor, told.devMajor ?? 0)
    expect('devMinor', entry.devMinor, told.devMinor ?? 0)
    if (FORMAT_RULES[this.#found.format].tellsOwnerNames) {
      expect('userName', ...ownerNames(this.#userNames, entry.uid, entry.userName, told.userName))
      expect('groupName', ...ownerNames(this.#groupNames, entry.gid, entry.groupName, told.groupName))
    }
    expect('linkName', linkName(entry, entry.linkName.toString('utf8')), linkName(entry, told.linkName ?? ''))
    expect('xattrs', xattrs(entry), toldXattrs(told))
    if (!sameTime(entry.mtimeNanoseconds, told.modtime))
      expect('modtime', formatModtime(entry.mtimeNanoseconds) || 'none', told.modtime ?? 'none')
    if (entry.type === 'reg') this.#compareContent(path, entry, item)
  }

  #compareContent(path: string, entry: TarEntry, item: TocItem): void {
    // containers/storage itself leaves the digest of an empty file out.
    const { format } = this.#found
    if (entry.sizeBytes === 0 && item.entry.digest === undefined && format === 'zstdchunked-containers')
      return
    const content = this.#scan.contents.of(entry)
    if (item.entry.digest !== content?.digest) {
      this.#findings.add(
        'TOC_FILE_DIGEST',
        path,
        `the content has ${content?.digest ?? 'no digest'}, the TOC says ${item.entry.digest ?? 'nothing'}`,
      )
    }
    const chunks = chunksOf(item)
    this.chunks += chunks.length
    if (!covers(chunks, entry.sizeBytes)) {
      this.#findings.add('CHUNK_COVERAGE', path, `${chunks.length} chunks for ${entry.sizeBytes} bytes`)
      return
    }
    const digests = content?.chunks ?? [content?.digest]
    for (const [index, chunk] of chunks.entries()) this.#compareChunk(path, entry, chunk, digests[index])
  }

  #compareChunk(path: string, entry: TarEntry, chunk: TocChunk, digest: string | undefined): void {
    const { offset, innerOffset, chunkOffset, chunkDigest } = chunk
    if (chunkDigest !== digest) {
      const message = `at ${chunkOffset}: the content has ${digest ?? 'no digest'}, the TOC says ${chunkDigest ?? 'nothing'}`
      this.#findings.add('CHUNK_DIGEST', path, message)
    }
    this.#compareEnd(path, entry, chunk)
    const expected = entry.payloadOffset + chunkOffset
    const start = this.#scan.starts.get(offset)
    const isContent = offset < this.#found.contentBytes && start !== undefined
    if (isContent && start + innerOffset === expected) return
    const message = isContent
      ? `offset ${offset} (+${innerOffset}) leads to byte ${start + innerOffset} of the tar, the chunk is at ${expected}`
      : `nothing begins at offset ${offset} of the blob`
    this.#findings.add('CHUNK_OFFSET', path, `at ${chunkOffset}: ${message}`)
  }

  /** What follows begins there: of a chunk behind it; of a file's first, behind the whole file. */
  #compareEnd(path: string, entry: TarEntry, chunk: TocChunk): void {
    const { endOffset, chunkOffset, chunkBytes } = chunk
    if (endOffset === undefined) return
    const found = this.#scan.starts.get(endOffset)
    const ends = [chunkOffset + chunkBytes, ...(chunkOffset === 0 ? [entry.sizeBytes] : [])]
    if (found !== undefined && ends.includes(found - entry.payloadOffset)) return
    const where = found === undefined ? 'nothing ends there' : `there begins byte ${found} of the tar`
    this.#findings.add('CHUNK_OFFSET', path, `at ${chunkOffset}: its end ${endOffset}: ${where}`)
  }
}

/** @returns what the tar says, and what a reader takes from the TOC */
function ownerNames(
  names: Map<number, string>,
  id: number,
  bytes: Buffer,
  told: string | undefined,
): [string, string] {
  if (told !== undefined && told !== '') names.set(id, told)
  const expected = bytes.toString('utf8')
  // A TOC cannot take back a name that it has said of an id.
  return expected === '' && told === undefined ? ['', ''] : [expected, names.get(id) ?? '']
}

function linkName({ type }: TarEntry, name: string): string {
  return type === 'hardlink' ? tocKey(name) : name
}

function xattrs(entry: TarEntry): string {
  return JSON.stringify(entry.xattrs.map(({ name, value }) => [name, value.toString('base64')]).sort())
}

function toldXattrs(told: TocEntry): string {
  return JSON.stringify(Object.entries(told.xattrs ?? {}).sort())
}

/** Whole seconds, rounded, or the exact time. */
function sameTime(nanoseconds: bigint, told: string | undefined): boolean {
  if ((told ?? '') === formatModtime(nanoseconds)) return true
  const time = parseTocTime(told ?? '')
  if (time === undefined) return false
  const { nanoseconds: exact, hasFraction } = time
  return exact === nanoseconds || (!hasFraction && exact === roundedToSeconds(nanoseconds))
}

function roundedToSeconds(nanoseconds: bigint): bigint {
  const second = 1_000_000_000n
  const shifted = nanoseconds + second / 2n
  return shifted - (((shifted % second) + second) % second)
}

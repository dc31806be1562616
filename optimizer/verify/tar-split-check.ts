/**
 * The tar-split data of a layer against its tar, which passes by: with the contents of the files they must make this
 * very tar, and each entry's headers in them are what its reader compares the TOC with.
 *
 * @see containers/storage, pkg/chunked/compression_linux.go, ensureTOCMatchesTarSplit
 */
import { type ContainersEntry, containersEntry } from '../estargz/containers-toc.ts'
import { Crc64 } from '../estargz/crc64.ts'
import type { TarSplitLine } from '../estargz/tar-split-lines.ts'
import { TocError } from '../estargz/toc.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { Findings } from './difference.ts'
import { Queues } from './queues.ts'
import { shownBytes, shownPath } from './shown-path.ts'
import { type TocItem, tocKey } from './toc-claims.ts'
import { sameInstant } from './toc-time.ts'

/** What is under way of a file's content. */
interface Content {
  entry: TarEntry
  restBytes: number
  sum: Crc64
  checksum: Buffer | null
}

export class TarSplitCheck {
  readonly #lines: Iterator<TarSplitLine>
  readonly #entries: readonly TarEntry[]
  readonly #itemOf: (entry: TarEntry) => TocItem | undefined
  /** What is found once the layer is read. */
  readonly #found: Parameters<Findings['add']>[] = []
  #broken = false
  /** Bytes of the tar so far. */
  #position = 0
  #nextEntry = 0
  #segment: Buffer = Buffer.alloc(0)
  #segmentTaken = 0
  #content: Content | undefined

  /**
   * @param lines throws a TocError where they cannot be read
   * @param entries of the tar: those whose headers have passed
   * @param items of the TOC
   */
  constructor(lines: Iterator<TarSplitLine>, entries: readonly TarEntry[], items: readonly TocItem[]) {
    this.#lines = lines
    this.#entries = entries
    const waiting = new Queues<TocItem>()
    for (const item of items) waiting.add(item.key, item)
    this.#itemOf = ({ name }) => waiting.take(tocKey(name.toString('utf8')))
  }

  /** The tar's next bytes; the entries whose headers are in them are known already. */
  push(piece: Buffer): void {
    for (let rest = piece; rest.length > 0 && !this.#broken; ) {
      const taken = this.#take(rest)
      this.#position += taken
      rest = rest.subarray(taken)
      if (taken === 0 && !this.#begin()) this.#fail('end before the tar does')
    }
  }

  /** After the tar's last byte. */
  end(findings: Findings): void {
    while (!this.#broken && this.#content === undefined && this.#begin());
    const isOpen = this.#content !== undefined || this.#segmentTaken < this.#segment.length
    if (!this.#broken && isOpen) this.#fail('go on behind the end of the tar')
    for (const found of this.#found) findings.add(...found)
  }

  /** @returns how many bytes belong to what is under way */
  #take(bytes: Buffer): number {
    const content = this.#content
    if (content !== undefined) return this.#takeContent(content, bytes)
    const expected = this.#segment.subarray(this.#segmentTaken, this.#segmentTaken + bytes.length)
    if (!expected.equals(bytes.subarray(0, expected.length))) this.#fail('hold other bytes than the tar')
    this.#segmentTaken += expected.length
    return expected.length
  }

  #takeContent(content: Content, bytes: Buffer): number {
    const part = bytes.subarray(0, content.restBytes)
    content.sum.update(part)
    content.restBytes -= part.length
    if (content.restBytes > 0) return part.length
    this.#content = undefined
    const sum = content.sum.digest()
    if (content.checksum?.equals(sum) !== true) {
      const said = content.checksum?.toString('hex') ?? 'none'
      this.#fail(`give the checksum ${said}, the content has ${sum.toString('hex')}`, content.entry)
    }
    return part.length
  }

  /** The next line. @returns false when there is none */
  #begin(): boolean {
    if (this.#segmentTaken < this.#segment.length) return false
    let line: TarSplitLine
    try {
      const { done, value } = this.#lines.next()
      if (done) return false
      line = value
    } catch (error) {
      if (!(error instanceof TocError)) throw error
      this.#broken = true
      this.#found.push(['TAR_SPLIT', null, error.message])
      return true
    }
    if (line.kind === 'file') this.#beginFile(line)
    else {
      this.#segment = line.bytes
      this.#segmentTaken = 0
    }
    return true
  }

  #beginFile({ name, sizeBytes, checksum }: Extract<TarSplitLine, { kind: 'file' }>): void {
    const entry = this.#entryHere()
    if (entry === undefined) {
      // A global header is an entry to them, and none to an unpacker.
      if (sizeBytes > 0) this.#fail(`have a file ${shownBytes(name)} where no content begins`)
      return
    }
    this.#nextEntry++
    if (!name.equals(entry.name)) this.#fail(`call it ${shownBytes(name)}`, entry)
    if (sizeBytes !== entry.payloadBytes)
      this.#fail(`give it ${sizeBytes} bytes, the tar has ${entry.payloadBytes}`, entry)
    this.#compareTimes(entry)
    if (sizeBytes > 0) this.#content = { entry, restBytes: sizeBytes, sum: new Crc64(), checksum }
  }

  /** The entry whose header ends here. */
  #entryHere(): TarEntry | undefined {
    const end = (entry: TarEntry) => entry.headerOffset + entry.headerBytes
    while (this.#nextEntry < this.#entries.length) {
      const entry = this.#entries[this.#nextEntry] as TarEntry
      if (end(entry) === this.#position) return entry
      if (end(entry) > this.#position) return undefined
      this.#nextEntry++
    }
    return undefined
  }

  /** To the nanosecond, and those that no unpacker sets: this is where their reader refuses the layer. */
  #compareTimes(entry: TarEntry): void {
    const headerStart = entry.headerOffset - (this.#position - this.#segment.length)
    if (headerStart < 0) return
    const told: Partial<ContainersEntry> | undefined = this.#itemOf(entry)?.entry
    if (told === undefined) return
    const expected = containersEntry(this.#segment.subarray(headerStart)).entry
    for (const field of ['modtime', 'accesstime', 'changetime'] as const) {
      if (sameInstant(expected[field], told[field])) continue
      const message = `${field}: the tar has ${expected[field] ?? 'none'}, the TOC ${told[field] ?? 'none'}`
      this.#found.push(['TOC_FIELD', shownPath(entry.path), message])
    }
  }

  #fail(what: string, entry?: TarEntry): void {
    this.#broken = true
    const path = entry === undefined ? null : shownPath(entry.path)
    this.#found.push(['TAR_SPLIT', path, `at byte ${this.#position} of the tar: the tar-split data ${what}`])
  }
}

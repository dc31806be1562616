/**
 * The bytes of a layer's tar, pushed through in pieces of any size → its entries. Holds no more than a header at a
 * time; payloads are passed over. Interprets as Go's archive/tar does, because that is what unpacks layers
 * everywhere; notes where each header's bytes lie, because they are copied and not made again.
 */
import type { EntryType, TarEntry, TarNotes } from './entry.ts'
import { TarFormatError, TarLimitError } from './errors.ts'
import { applyExtensions, type ExtendedHeader } from './extensions.ts'
import { isFormatEntry } from './format-names.ts'
import { encodeHeader, withFlag } from './generate.ts'
import { BLOCK_BYTES, cString, FLAG, isZeroBlock, paddingBytes, parseHeader } from './header.ts'
import { cleanPath } from './path-key.ts'
import { type PaxRecord, parsePaxRecords } from './pax.ts'
import {
  GnuSparseMap,
  LeadingSparseMap,
  type PaxSparse,
  paxSparse,
  requireSoundRuns,
  SPARSE_PREFIX,
  type SparseRun,
} from './sparse.ts'

/** As Go's reader: longer extension records are an attack on memory. */
const EXTENSION_BYTES_MAX = 1024 * 1024
/** Some ten times the largest real layers; bounds the memory that a hostile archive can fill. */
const ENTRIES_MAX = 4_000_000
/** Holes that become written zeros, summed over a layer. */
const HOLE_BYTES_MAX = 64 * 1024 ** 3

const TYPES: Record<string, EntryType> = {
  [FLAG.oldReg]: 'reg',
  [FLAG.reg]: 'reg',
  [FLAG.contiguous]: 'reg',
  [FLAG.gnuSparse]: 'reg',
  [FLAG.link]: 'hardlink',
  [FLAG.symlink]: 'symlink',
  [FLAG.char]: 'char',
  [FLAG.block]: 'block',
  [FLAG.dir]: 'dir',
  [FLAG.fifo]: 'fifo',
}

const EMPTY = Buffer.alloc(0)

/** Extension headers on their way to the entry they precede. */
interface Pending {
  records: PaxRecord[]
  longName: Buffer | undefined
  longLink: Buffer | undefined
  /** Where the first of them lies, and their blocks. */
  start: number | undefined
  blocks: Buffer[]
  /** A global header lies among them: the header's blocks are not in one piece. */
  split: boolean
}

/** An entry whose header is read but for its sparse map. */
interface SparseEntry {
  header: ExtendedHeader
  offset: number
  name: Buffer
  sizeBytes: number
  storedBytes: number
}

type State =
  | { kind: 'header' }
  | { kind: 'extension'; flag: string; offset: number; sizeBytes: number; data: Buffer; filled: number }
  | { kind: 'gnuMap'; entry: SparseEntry; map: GnuSparseMap }
  | { kind: 'paxMap'; entry: SparseEntry; map: LeadingSparseMap }
  | { kind: 'ended' }

const HEADER_NEXT: State = { kind: 'header' }

/**
 * Memory of its own: what is copied the usual way shares slabs with the names around it, which stay as long as the
 * entries, and would keep these blocks as long.
 */
function ownCopy(block: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(block.length)
  block.copy(copy)
  return copy
}

function nothingPending(): Pending {
  return { records: [], longName: undefined, longLink: undefined, start: undefined, blocks: [], split: false }
}

export class TarIndexer {
  readonly entries: TarEntry[] = []
  readonly notes: TarNotes = {
    duplicateNames: 0,
    sparseEntries: 0,
    contiguousEntries: 0,
    globalHeaders: 0,
    formatEntries: 0,
    unknownTypes: 0,
  }
  #state: State = HEADER_NEXT
  #pending = nothingPending()
  /** Bytes taken so far. */
  #offset = 0
  #zeroBlocks = 0
  #payloadBytes = 0
  #paddingBytes = 0
  #holeBytes = 0
  readonly #partial = Buffer.alloc(BLOCK_BYTES)
  #partialBytes = 0
  readonly #owners = new Map<string, Buffer>()
  readonly #onEntry: ((entry: TarEntry) => void) | undefined

  /** @param onEntry told of each entry before its payload passes, also of those that a format has added */
  constructor(onEntry?: (entry: TarEntry) => void) {
    this.#onEntry = onEntry
  }

  /** @throws {TarFormatError} @throws {TarLimitError} */
  push(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#state.kind === 'ended') return
      const skipped = this.#skip(piece.length - at)
      at += skipped
      if (skipped > 0) continue
      if (this.#partialBytes === 0 && piece.length - at >= BLOCK_BYTES) {
        this.#take(piece.subarray(at, at + BLOCK_BYTES))
        at += BLOCK_BYTES
        continue
      }
      const copied = piece.copy(this.#partial, this.#partialBytes, at)
      at += copied
      this.#partialBytes += copied
      if (this.#partialBytes < BLOCK_BYTES) continue
      this.#partialBytes = 0
      this.#take(this.#partial)
    }
  }

  /** The stream has ended. A missing end marker or final padding is forgiven, as by Go. @throws {TarFormatError} */
  end(): void {
    const atEntry = this.#state.kind === 'header' && this.#partialBytes === 0 && this.#payloadBytes === 0
    if (this.#state.kind === 'ended' || atEntry) return
    throw new TarFormatError(this.#offset + this.#partialBytes, 'the archive ends inside an entry')
  }

  /** Who can seek in the archive need not push payloads: how many bytes ahead count as pushed from here on. */
  passOver(): number {
    return this.#skip(Number.MAX_SAFE_INTEGER)
  }

  /** Passes over payload and padding; returns how many of `available` bytes. */
  #skip(available: number): number {
    const payload = Math.min(available, this.#payloadBytes)
    this.#payloadBytes -= payload
    const padding = Math.min(available - payload, this.#paddingBytes)
    this.#paddingBytes -= padding
    this.#offset += payload + padding
    return payload + padding
  }

  #skipPayload(sizeBytes: number): void {
    this.#payloadBytes = sizeBytes
    this.#paddingBytes = paddingBytes(sizeBytes)
  }

  /** One whole block; the buffer is not ours to keep. */
  #take(block: Buffer): void {
    const offset = this.#offset
    this.#offset += BLOCK_BYTES
    switch (this.#state.kind) {
      case 'header':
        this.#takeHeader(block, offset)
        break
      case 'extension':
        this.#takeExtension(block)
        break
      case 'gnuMap':
        this.#state.map.push(block, offset)
        if (!this.#state.map.more) this.#finishSparse(this.#state.entry, this.#state.map.runs)
        break
      case 'paxMap':
        this.#takeLeadingMap(block, offset)
        break
    }
  }

  #takeHeader(block: Buffer, offset: number): void {
    if (isZeroBlock(block)) {
      this.#zeroBlocks++
      if (this.#zeroBlocks === 2) this.#state = { kind: 'ended' }
      return
    }
    if (this.#zeroBlocks > 0) throw new TarFormatError(offset, 'a lone block of zeros precedes the header')
    const raw = parseHeader(block, offset)
    const isGlobal = raw.flag === FLAG.paxGlobal
    if (isGlobal && this.#pending.start !== undefined) this.#pending.split = true
    if (isGlobal || raw.flag === FLAG.pax || raw.flag === FLAG.gnuLongName || raw.flag === FLAG.gnuLongLink) {
      if (!isGlobal) this.#keepBlock(block, offset)
      this.#beginExtension(raw.flag, raw.sizeBytes, offset)
      return
    }
    this.#takeEntry(applyExtensions(raw, this.#pending, offset), block, offset)
  }

  #keepBlock(block: Buffer, offset: number): void {
    this.#pending.start ??= offset
    this.#pending.blocks.push(ownCopy(block))
  }

  #beginExtension(flag: string, sizeBytes: number, offset: number): void {
    if (sizeBytes < 0 || sizeBytes > EXTENSION_BYTES_MAX) {
      throw new TarFormatError(
        offset,
        `an extension header of ${sizeBytes} bytes, more than ${EXTENSION_BYTES_MAX} are refused`,
      )
    }
    const data = Buffer.alloc(sizeBytes + paddingBytes(sizeBytes))
    this.#state = { kind: 'extension', flag, offset, sizeBytes, data, filled: 0 }
    if (sizeBytes === 0) this.#finishExtension()
  }

  #takeExtension(block: Buffer): void {
    const state = this.#state as Extract<State, { kind: 'extension' }>
    state.filled += block.copy(state.data, state.filled)
    if (state.filled === state.data.length) this.#finishExtension()
  }

  #finishExtension(): void {
    const { flag, offset, sizeBytes, data } = this.#state as Extract<State, { kind: 'extension' }>
    const content = data.subarray(0, sizeBytes)
    this.#state = HEADER_NEXT
    switch (flag) {
      case FLAG.paxGlobal:
        parsePaxRecords(content, offset)
        this.notes.globalHeaders++
        return
      case FLAG.pax:
        this.#pending.records = parsePaxRecords(content, offset)
        break
      case FLAG.gnuLongName:
        this.#pending.longName = cString(content, 0, sizeBytes)
        break
      case FLAG.gnuLongLink:
        this.#pending.longLink = cString(content, 0, sizeBytes)
        break
    }
    this.#pending.blocks.push(data)
  }

  #takeEntry(header: ExtendedHeader, block: Buffer, offset: number): void {
    const type = TYPES[header.flag]
    if (header.sizeBytes < 0) throw new TarFormatError(offset, 'an entry has a negative size')
    if (type === undefined) {
      this.notes.unknownTypes++
      this.#skipPayload(header.sizeBytes)
      this.#pending = nothingPending()
      return
    }
    if (type === 'reg' && this.#beginSparse(header, block, offset)) return
    const entry = this.#entry(type, header, header.name, offset)
    entry.payloadBytes = type === 'reg' ? header.sizeBytes : 0
    entry.sizeBytes = entry.payloadBytes
    // A contiguous file is a regular one to everybody, but not every reader knows its flag.
    const contiguous = header.flag === FLAG.contiguous
    if (contiguous) this.notes.contiguousEntries++
    if (this.#pending.split || contiguous) {
      const main = contiguous ? withFlag(block, FLAG.reg) : block
      entry.replacementHeader = Buffer.concat([...this.#pending.blocks, main])
    }
    this.#finish(entry)
  }

  /** @returns false when the entry is an ordinary file */
  #beginSparse(header: ExtendedHeader, block: Buffer, offset: number): boolean {
    const storedBytes = header.sizeBytes
    if (header.flag === FLAG.gnuSparse) {
      if (!header.gnu) throw new TarFormatError(offset, 'a sparse file has no GNU header')
      const map = new GnuSparseMap(block, offset)
      const entry = { header, offset, name: header.name, sizeBytes: map.sizeBytes, storedBytes }
      if (map.more) this.#state = { kind: 'gnuMap', entry, map }
      else this.#finishSparse(entry, map.runs)
      return true
    }
    const sparse = this.#pending.records.length === 0 ? undefined : paxSparse(this.#pending.records, offset)
    if (sparse === undefined) return false
    this.#beginPaxSparse(header, sparse, offset)
    return true
  }

  #beginPaxSparse(header: ExtendedHeader, sparse: PaxSparse, offset: number): void {
    const { sizeBytes } = sparse
    const entry = {
      header,
      offset,
      name: sparse.name ?? header.name,
      sizeBytes,
      storedBytes: header.sizeBytes,
    }
    if (sparse.runs !== undefined) this.#finishSparse(entry, sparse.runs)
    else this.#state = { kind: 'paxMap', entry, map: new LeadingSparseMap() }
  }

  #takeLeadingMap(block: Buffer, offset: number): void {
    const { entry, map } = this.#state as Extract<State, { kind: 'paxMap' }>
    const runs = map.push(block, offset)
    const storedBytes = entry.storedBytes - map.bytes
    if (storedBytes < 0) throw new TarFormatError(offset, 'a sparse map is longer than its file')
    if (runs !== undefined) this.#finishSparse({ ...entry, storedBytes }, runs)
  }

  #finishSparse(sparse: SparseEntry, runs: SparseRun[]): void {
    const { header, offset, name, sizeBytes, storedBytes } = sparse
    requireSoundRuns(runs, sizeBytes, storedBytes, offset)
    this.#holeBytes += sizeBytes - storedBytes
    if (this.#holeBytes > HOLE_BYTES_MAX) {
      throw new TarLimitError(`its sparse files have more than ${HOLE_BYTES_MAX} bytes of holes`)
    }
    const kept = this.#pending.records.filter(
      ({ key }) => !key.startsWith(SPARSE_PREFIX) && key !== 'path' && key !== 'size',
    )
    const entry = this.#entry('reg', header, name, offset)
    entry.payloadBytes = storedBytes
    entry.sizeBytes = sizeBytes
    entry.sparse = runs.filter((run) => run.bytes > 0)
    entry.replacementHeader = encodeHeader({ ...header, flag: FLAG.reg, name, sizeBytes }, kept)
    this.notes.sparseEntries++
    this.#finish(entry)
  }

  #entry(type: EntryType, header: ExtendedHeader, name: Buffer, offset: number): TarEntry {
    const link = type === 'hardlink' || type === 'symlink'
    const device = type === 'char' || type === 'block'
    const headerOffset = this.#pending.start ?? offset
    return {
      index: this.entries.length,
      type,
      path: cleanPath(name),
      name,
      linkName: link ? header.linkName : EMPTY,
      linkPath: type === 'hardlink' ? cleanPath(header.linkName) : '',
      headerOffset,
      headerBytes: this.#offset - headerOffset,
      payloadOffset: this.#offset,
      payloadBytes: 0,
      sizeBytes: 0,
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      userName: this.#owner(header.userName),
      groupName: this.#owner(header.groupName),
      mtimeNanoseconds: header.mtimeNanoseconds,
      devMajor: device ? header.devMajor : 0,
      devMinor: device ? header.devMinor : 0,
      xattrs: header.xattrs,
    }
  }

  /** A layer has a handful of owners: one buffer each. */
  #owner(name: Buffer): Buffer {
    if (name.length === 0) return EMPTY
    const key = name.toString('latin1')
    const known = this.#owners.get(key)
    if (known === undefined) this.#owners.set(key, name)
    return known ?? name
  }

  #finish(entry: TarEntry): void {
    this.#state = HEADER_NEXT
    this.#pending = nothingPending()
    this.#skipPayload(entry.payloadBytes)
    this.#onEntry?.(entry)
    if (isFormatEntry(entry.path)) {
      this.notes.formatEntries++
      return
    }
    if (this.entries.length === ENTRIES_MAX)
      throw new TarLimitError(`it has more than ${ENTRIES_MAX} entries`)
    this.entries.push(entry)
  }
}

/**
 * Whether a layer's TOC says what a conversion would write into it now: the same rows in the same order, of files cut
 * alike, with digests that are those of the tar. Where members lie in the blob is taken from the TOC itself.
 */
import { createHash, type Hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { BlobFormat } from '../estargz/blob-format.ts'
import { type ContainersEntry, containersEntry } from '../estargz/containers-toc.ts'
import { type Chunk, type Member, type MemberPart, planMembers } from '../estargz/members.ts'
import type { Ordering } from '../estargz/prioritize.ts'
import type { LayerToc } from '../estargz/reader.ts'
import { chunkEntry, TocEntries, type TocEntry } from '../estargz/toc.ts'
import { plannedEntries } from '../estargz/writer.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { isFormatEntry } from '../tar/format-names.ts'
import type { LayerView } from './read-window.ts'

/** A row of either kind of TOC. */
type Row = Partial<TocEntry & ContainersEntry>

/** A chunk, what the tar holds there, and where the TOC says its member is. */
interface Piece {
  chunk: Chunk
  chunkDigest: Digest
  row: Row
}

/** The row that a conversion would write. @param piece of a regular file that is not empty */
type RowMaker = (entry: TarEntry, piece?: Piece) => Row | Promise<Row>

/** @param ordering of the layer's entries, as they lie in the tar. @param found of the format */
export async function rowsAreAsWanted(
  layer: LayerView,
  ordering: Ordering,
  format: BlobFormat,
  found: LayerToc,
): Promise<boolean> {
  const rows: Row[] = found.toc.entries
  const comparison = new RowComparison(layer, found)
  const plan = planMembers(plannedEntries(ordering, format), {
    chunkBytes: format.chunkBytes,
    minChunkBytes: format.minChunkBytes,
    contentApart: format.contentApart,
    sourceBytes: layer.uncompressedBytes,
  })
  let next = 0
  for (const member of plan) {
    for (const part of member.parts) {
      const row = rows[next++]
      if (row === undefined || !(await comparison.isAsWanted(member, part, row))) return false
    }
  }
  return next === rows.length
}

class RowComparison {
  readonly #layer: LayerView
  readonly #contentBytes: number
  readonly #make: RowMaker
  /** The last member with content, and where the TOC says it is. */
  #member: Member | undefined
  #offset = 0
  /** Of the file whose chunks pass: its row and its content so far. */
  #file: { row: Row; hash: Hash } | undefined

  constructor(layer: LayerView, { format, contentBytes }: LayerToc) {
    this.#layer = layer
    this.#contentBytes = contentBytes
    this.#make = format === 'zstdchunked-containers' ? containersRows(layer) : stargzRows()
  }

  async isAsWanted(member: Member, { entry, chunk }: MemberPart, row: Row): Promise<boolean> {
    if (chunk === undefined) return sameRow(row, await this.#make(entry))
    if (!this.#canLieThere(member, chunk, row)) return false
    // Its own few bytes are a file like any other, described by who made it.
    if (isFormatEntry(entry.path)) return row.name === entry.path && row.size === entry.sizeBytes
    const bytes = await this.#layer.read(entry.payloadOffset + chunk.offset, chunk.bytes)
    const chunkDigest = digestOf(bytes)
    if (!this.#fileDigestHolds(entry, chunk, row, chunkDigest, bytes)) return false
    return sameRow(row, await this.#make(entry, { chunk, chunkDigest, row }))
  }

  /** Members come one behind the other, and contents that would share one do. */
  #canLieThere(member: Member, { innerOffset }: Chunk, row: Row): boolean {
    const { offset = 0, endOffset = this.#contentBytes } = row
    const follows = member === this.#member ? offset === this.#offset : offset > this.#offset
    this.#member = member
    this.#offset = offset
    const ends = offset < endOffset && endOffset <= this.#contentBytes
    return follows && ends && innerOffset === (row.innerOffset ?? 0)
  }

  /** True as long as the file goes on. */
  #fileDigestHolds(entry: TarEntry, chunk: Chunk, row: Row, chunkDigest: Digest, bytes: Buffer): boolean {
    if (chunk.bytes === entry.sizeBytes) return row.digest === chunkDigest
    if (chunk.offset === 0) this.#file = { row, hash: createHash('sha256') }
    const file = this.#file as { row: Row; hash: Hash }
    file.hash.update(bytes)
    return !isLast(entry, chunk) || file.row.digest === `sha256:${file.hash.digest('hex')}`
  }
}

function isLast(entry: TarEntry, chunk: Chunk): boolean {
  return chunk.offset + chunk.bytes === entry.sizeBytes
}

function stargzRows(): RowMaker {
  const entries = new TocEntries()
  return (entry, piece) => {
    if (piece === undefined) return entries.fromTar(entry)
    const { chunk, chunkDigest, row } = piece
    // A last chunk goes to the end of the file, whether its size is told or not.
    const chunkSize = isLast(entry, chunk) && row.chunkSize !== chunk.bytes ? 0 : chunk.bytes
    const content = { offset: row.offset ?? 0, innerOffset: chunk.innerOffset, chunkSize, chunkDigest }
    if (chunk.offset > 0) return chunkEntry(entry.name.toString('utf8'), chunk.offset, content)
    return entries.fromTar(entry, { ...content, digest: row.digest as Digest })
  }
}

function containersRows(layer: LayerView): RowMaker {
  return async (entry, piece) => {
    const header = await layer.read(entry.headerOffset, entry.headerBytes)
    const { entry: described } = containersEntry(header)
    if (piece === undefined) return entry.type === 'reg' ? { ...described, digest: digestOf('') } : described
    const { chunk, chunkDigest, row } = piece
    const { offset, endOffset, digest } = row as Required<Row>
    const pieces = chunk.bytes === entry.sizeBytes ? {} : { chunkSize: chunk.bytes, chunkDigest }
    if (chunk.offset === 0) return { ...described, digest, offset, endOffset, ...pieces }
    return { type: 'chunk', name: described.name, offset, endOffset, chunkOffset: chunk.offset, ...pieces }
  }
}

/** Names of owners are told where they are new, by some writers more often. */
function sameRow(found: Row, wanted: Row): boolean {
  const [a, b] = [found, wanted].map(({ userName: _, groupName: __, xattrs, ...rest }) => ({
    ...rest,
    // Names of attributes may be any: objects made for them have no prototype.
    ...(xattrs === undefined ? {} : { xattrs: Object.entries(xattrs) }),
  }))
  return isDeepStrictEqual(a, b)
}

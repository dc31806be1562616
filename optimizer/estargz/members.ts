/**
 * Where the members of a blob (gzip members, zstd frames) begin: at its start, at the content of each file that is
 * not empty, at each further chunk of it. What follows a file's content up to the next (padding, headers) rides in
 * its last member. With a least size, small files share a member.
 * Pure: the cuts depend on the entries and the sizes asked for alone, never on who compresses.
 *
 * @see stargz-snapshotter, docs/estargz.md, "The structure"
 */
import type { TarEntry } from '../tar/entry.ts'
import { paddingBytes } from '../tar/header.ts'

/** Bytes of the new tar: a range of the old one, or bytes at hand, or zeros. */
export interface Segment {
  bytes: number
  /** In the uncompressed source layer. */
  sourceOffset?: number
  data?: Buffer
}

/** An entry and, when it is one that we add, its content. */
export interface PlannedEntry {
  entry: TarEntry
  content?: Buffer
  /** Whether it is to be fetched ahead. */
  hot?: boolean
}

/** Bytes of the old tar that are kept and no entry tells of. */
export interface SourceRange {
  sourceOffset: number
  bytes: number
}

/** An entry that a member holds: its header when it has no content, else a chunk of the content. */
export interface MemberPart {
  entry: TarEntry
  chunk?: Chunk
}

export interface Chunk {
  /** In the file. */
  offset: number
  bytes: number
  /** In the uncompressed member. */
  innerOffset: number
}

export interface Member {
  segments: Segment[]
  /** Uncompressed, of all segments. */
  bytes: number
  parts: MemberPart[]
  /** Whether it is to be fetched ahead. */
  hot: boolean
}

export interface PlanOptions {
  /** Greatest content of a file in one member. */
  chunkBytes: number
  /** Uncompressed bytes up to which further files join a member. */
  minChunkBytes: number
  /** Nothing but a chunk's content in its member. */
  contentApart: boolean
  /** Of the source layer: its last padding may be missing. */
  sourceBytes: number
  /** Headers are the source's and nothing is made up: padding comes as ranges. */
  lossless?: boolean
}

/** Headers alone are cut too: a layer of a million links must not become one member in memory. */
export const HEADER_RUN_BYTES = 1024 * 1024

export function* planMembers(
  planned: Iterable<PlannedEntry | SourceRange>,
  options: PlanOptions,
): Generator<Member> {
  const cuts = new MemberCuts(options)
  for (const item of planned) {
    if ('entry' in item) yield* cuts.entry(item)
    else yield* cuts.range(item)
  }
  yield* cuts.end()
}

class MemberCuts {
  readonly #options: PlanOptions
  #member: Member | undefined
  /** Of the member, after its last content. */
  #runBytes = 0
  #hasContent = false

  constructor(options: PlanOptions) {
    this.#options = options
  }

  *entry({ entry, content, hot = false }: PlannedEntry): Generator<Member> {
    yield* this.#run(headerSegment(entry), hot)
    if (entry.sizeBytes === 0) {
      addPart(this.#member as Member, { entry })
      return
    }
    yield* this.#content(entry, new Payload(entry, content), hot)
    if (this.#options.contentApart) {
      yield this.#member as Member
      this.#member = newMember(hot)
    }
    const padding = this.#options.lossless
      ? NOTHING
      : paddingSegment(entry, content, this.#options.sourceBytes)
    addSegment(this.#member as Member, padding)
    this.#runBytes = padding.bytes
  }

  *range({ sourceOffset, bytes }: SourceRange): Generator<Member> {
    for (let start = 0; start < bytes; start += HEADER_RUN_BYTES) {
      const pieceBytes = Math.min(HEADER_RUN_BYTES, bytes - start)
      yield* this.#run({ sourceOffset: sourceOffset + start, bytes: pieceBytes }, false)
    }
  }

  *end(): Generator<Member> {
    if (this.#member !== undefined && this.#member.bytes > 0) yield this.#member
  }

  /** What lies between contents. */
  *#run(segment: Segment, hot: boolean): Generator<Member> {
    if (this.#member !== undefined && this.#runBytes >= HEADER_RUN_BYTES) {
      yield this.#member
      this.#member = undefined
    }
    if (this.#member === undefined) {
      this.#member = newMember(hot)
      this.#runBytes = 0
    }
    addSegment(this.#member, segment)
    this.#runBytes += segment.bytes
  }

  *#content(entry: TarEntry, payload: Payload, hot: boolean): Generator<Member> {
    const { chunkBytes, minChunkBytes } = this.#options
    for (let offset = 0; offset < entry.sizeBytes; offset += chunkBytes) {
      let member = this.#member as Member
      // What is fetched ahead ends where a member ends.
      const joins = this.#hasContent && member.bytes < minChunkBytes && member.hot === hot
      if (!joins) {
        yield member
        member = newMember(hot)
        this.#member = member
        this.#hasContent = true
      }
      const bytes = Math.min(chunkBytes, entry.sizeBytes - offset)
      addPart(member, { entry, chunk: { offset, bytes, innerOffset: member.bytes } })
      for (const segment of payload.take(bytes)) addSegment(member, segment)
    }
  }
}

const NOTHING: Segment = { bytes: 0 }

function newMember(hot: boolean): Member {
  return { segments: [], bytes: 0, parts: [], hot }
}

/** Most members have one: an array that is pushed to takes memory for many. */
function addPart(member: Member, part: MemberPart): void {
  if (member.parts.length === 0) member.parts = [part]
  else member.parts.push(part)
}

/** Ranges of the source that touch become one. */
function addSegment(member: Member, segment: Segment): void {
  if (segment.bytes === 0) return
  member.bytes += segment.bytes
  if (member.segments.length === 0) {
    member.segments = [segment]
    return
  }
  const last = member.segments.at(-1)
  const touches = last?.sourceOffset !== undefined && last.sourceOffset + last.bytes === segment.sourceOffset
  if (touches) last.bytes += segment.bytes
  else member.segments.push(segment)
}

function headerSegment(entry: TarEntry): Segment {
  const { replacementHeader } = entry
  if (replacementHeader !== undefined) return { bytes: replacementHeader.length, data: replacementHeader }
  return { bytes: entry.headerBytes, sourceOffset: entry.headerOffset }
}

function paddingSegment(entry: TarEntry, content: Buffer | undefined, sourceBytes: number): Segment {
  const bytes = paddingBytes(entry.sizeBytes)
  const sourceOffset = entry.payloadOffset + entry.payloadBytes
  const copied = content === undefined && entry.sparse === undefined && sourceOffset + bytes <= sourceBytes
  return copied ? { bytes, sourceOffset } : { bytes }
}

/** The logical content of an entry, taken from front to back: of a sparse file data runs and the zeros between. */
class Payload {
  readonly #content: Buffer | undefined
  readonly #runs: { offset: number; bytes: number }[]
  #run = 0
  #sourceOffset: number
  #position = 0

  constructor(entry: TarEntry, content: Buffer | undefined) {
    this.#content = content
    this.#runs = entry.sparse ?? [{ offset: 0, bytes: entry.sizeBytes }]
    this.#sourceOffset = entry.payloadOffset
  }

  *take(bytes: number): Generator<Segment> {
    const end = this.#position + bytes
    while (this.#position < end) {
      const segment = this.#next(end)
      this.#position += segment.bytes
      yield segment
    }
  }

  #next(end: number): Segment {
    if (this.#content !== undefined) {
      const data = this.#content.subarray(this.#position, end)
      return { bytes: data.length, data }
    }
    const run = this.#runs[this.#run]
    if (run === undefined) return { bytes: end - this.#position }
    if (this.#position < run.offset) return { bytes: Math.min(run.offset, end) - this.#position }
    const runEnd = run.offset + run.bytes
    const bytes = Math.min(runEnd, end) - this.#position
    if (this.#position + bytes === runEnd) this.#run++
    const sourceOffset = this.#sourceOffset
    this.#sourceOffset += bytes
    return { bytes, sourceOffset }
  }
}

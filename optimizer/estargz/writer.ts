/**
 * An opened layer in its new order → the bytes of an eStargz blob, with every digest that anybody asks of it.
 * Three things go on at once: batches are filled from the spool, compressed by threads, and written in order.
 */
import { createHash, type Hash } from 'node:crypto'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { isFormatEntry } from '../tar/format-names.ts'
import {
  BATCH_BYTES,
  BATCH_MEMBERS,
  type BatchBuffers,
  type CompressedBatch,
  type CompressionPool,
} from './compression-pool.ts'
import { encodeFooter, landmark, tocMember } from './gzip.ts'
import { type Member, type PlannedEntry, planMembers, type Segment } from './members.ts'
import type { Ordering } from './prioritize.ts'
import { chunkEntry, TocEntries, type TocEntry, TocText } from './toc.ts'

/** The uncompressed layer. */
export interface LayerContent {
  uncompressedBytes: number
  /** Fills all of `target` from `offset` on. */
  readInto(target: Uint8Array, offset: number): Promise<void>
}

/** Where the blob goes; awaited, so a slow one slows everything. */
export interface BlobSink {
  write(bytes: Uint8Array): Promise<void>
}

export interface BlobOptions {
  chunkBytes: number
  signal?: AbortSignal
  /** @param doneBytes uncompressed bytes written so far */
  onProgress?(doneBytes: number): void
}

export interface WrittenBlob {
  digest: Digest
  sizeBytes: number
  /** Of the whole uncompressed stream, TOC entry and end of archive included. */
  diffId: Digest
  uncompressedBytes: number
  tocDigest: Digest
  tocOffset: number
  /** Compressed bytes before the landmark's content; 0 when nothing is to be fetched ahead. */
  hotZoneBytes: number
}

export async function writeBlob(
  layer: LayerContent,
  ordering: Ordering,
  pool: CompressionPool,
  sink: BlobSink,
  options: BlobOptions,
): Promise<WrittenBlob> {
  return new BlobWriting(layer, pool, sink, options).write(ordering)
}

interface Batch {
  members: Member[]
  memberLengths: Uint32Array
  payloadLengths: Uint32Array
  bytes: number
}

/** Stores take what they like; this keeps a single write small enough for any of them. */
const WRITE_BYTES_MAX = 1024 * 1024

class BlobWriting {
  readonly #layer: LayerContent
  readonly #pool: CompressionPool
  readonly #sink: BlobSink
  readonly #options: BlobOptions
  readonly #blob = new DigestCounter()
  readonly #uncompressed = new DigestCounter()
  readonly #tocEntries = new TocEntries()
  readonly #toc = new TocText()
  /** Uncompressed bytes that are written. */
  #doneBytes = 0
  /** Content of the file whose chunks are being filled. */
  #filling: Hash | undefined
  /** Digests of files of more than one chunk. */
  readonly #fileDigests = new Map<TarEntry, Digest>()
  /** The entry of the file whose chunks are being written. */
  #tocFile: TocEntry | undefined
  #landmarkOffset = 0
  #failure: unknown

  constructor(layer: LayerContent, pool: CompressionPool, sink: BlobSink, options: BlobOptions) {
    this.#layer = layer
    this.#pool = pool
    this.#sink = sink
    this.#options = options
  }

  async write(ordering: Ordering): Promise<WrittenBlob> {
    const prefetch = ordering.prioritized.length > 0
    const mark = landmark(prefetch)
    const plan = planMembers(plannedEntries(ordering, mark), {
      chunkBytes: this.#options.chunkBytes,
      sourceBytes: this.#layer.uncompressedBytes,
    })
    await this.#writeMembers(plan)
    const tocOffset = this.#blob.sizeBytes
    const tocDigest = await this.#writeToc()
    await this.#emit(encodeFooter(tocOffset))
    return {
      digest: this.#blob.digest(),
      sizeBytes: this.#blob.sizeBytes,
      diffId: this.#uncompressed.digest(),
      uncompressedBytes: this.#uncompressed.sizeBytes,
      tocDigest,
      tocOffset,
      hotZoneBytes: prefetch ? this.#landmarkOffset : 0,
    }
  }

  async #writeMembers(members: Iterable<Member>): Promise<void> {
    let written = Promise.resolve()
    for (const batch of batches(members)) {
      const buffers = await this.#pool.acquire(batch.memberLengths)
      try {
        this.#requireGoing()
        await this.#fill(batch, buffers.input)
      } catch (error) {
        this.#pool.release(buffers)
        await written.catch(() => {})
        throw this.#failure ?? error
      }
      const compressed = this.#pool.compress(buffers, batch.memberLengths, batch.payloadLengths)
      written = this.#writeAfter(written, batch, buffers, compressed)
      written.catch((error: unknown) => {
        this.#failure ??= error
      })
    }
    await written
  }

  #requireGoing(): void {
    this.#options.signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The batch's uncompressed bytes, hashed on the way. */
  async #fill(batch: Batch, input: Buffer): Promise<void> {
    let filled = 0
    for (const segment of joinedSegments(batch.members)) {
      const target = input.subarray(filled, filled + segment.bytes)
      filled += segment.bytes
      if (segment.sourceOffset !== undefined) await this.#layer.readInto(target, segment.sourceOffset)
      else if (segment.data !== undefined) target.set(segment.data)
      else target.fill(0)
    }
    this.#uncompressed.update(input.subarray(0, filled))
    let start = 0
    for (const member of batch.members) {
      this.#hashFile(member, input.subarray(start, start + member.payloadBytes))
      start += member.bytes
    }
  }

  /** Of a file in one chunk, the chunk's digest is the file's. */
  #hashFile({ chunk }: Member, payload: Buffer): void {
    if (chunk === undefined || payload.length === chunk.entry.sizeBytes) return
    this.#filling ??= createHash('sha256')
    this.#filling.update(payload)
    if (chunk.offset + payload.length < chunk.entry.sizeBytes) return
    this.#fileDigests.set(chunk.entry, `sha256:${this.#filling.digest('hex')}`)
    this.#filling = undefined
  }

  /** Writes a batch when those before it are written; its memory goes back whatever happens. */
  async #writeAfter(
    before: Promise<void>,
    batch: Batch,
    buffers: BatchBuffers,
    compressing: Promise<CompressedBatch>,
  ): Promise<void> {
    const settled = Promise.allSettled([compressing])
    try {
      await before
      const compressed = await compressing
      this.#options.signal?.throwIfAborted()
      await this.#writeBatch(batch, buffers.output, compressed)
    } finally {
      await settled
      this.#pool.release(buffers)
    }
  }

  async #writeBatch(batch: Batch, output: Buffer, compressed: CompressedBatch): Promise<void> {
    let offset = this.#blob.sizeBytes
    for (const [index, member] of batch.members.entries()) {
      this.#tell(member, offset, compressed.payloadDigests[index] as string)
      offset += compressed.memberLengths[index] as number
    }
    await this.#emit(output.subarray(0, offset - this.#blob.sizeBytes))
    this.#doneBytes += batch.bytes
    this.#options.onProgress?.(this.#doneBytes)
  }

  /** The member's entries of the TOC. */
  #tell({ chunk, payloadBytes, entries }: Member, offset: number, payloadDigest: string): void {
    if (chunk !== undefined) this.#tellChunk(chunk, payloadBytes, offset, `sha256:${payloadDigest}`)
    for (const entry of entries) this.#toc.add(this.#tocEntries.fromTar(entry), true)
  }

  #tellChunk(
    chunk: NonNullable<Member['chunk']>,
    payloadBytes: number,
    offset: number,
    chunkDigest: Digest,
  ): void {
    const { entry, offset: chunkOffset } = chunk
    const last = chunkOffset + payloadBytes === entry.sizeBytes
    const chunkSize = last ? 0 : payloadBytes
    if (chunkOffset === 0) {
      // Of more than one chunk the file's digest is known with the last of them.
      this.#tocFile = this.#tocEntries.fromTar(entry, { offset, digest: chunkDigest, chunkSize, chunkDigest })
      this.#toc.add(this.#tocFile, last)
      // One that the source brought is not among the entries.
      if (isFormatEntry(entry.path)) this.#landmarkOffset = offset
      return
    }
    const file = this.#tocFile as TocEntry
    if (last) file.digest = this.#fileDigests.get(entry) as Digest
    this.#toc.add(chunkEntry(file.name, chunkOffset, { offset, chunkSize, chunkDigest }), last)
  }

  async #writeToc(): Promise<Digest> {
    const json = this.#toc.end()
    const digest = new DigestCounter()
    for (const piece of json) digest.update(piece)
    const parts = tocMember(json)
    const memberLengths = Uint32Array.of(parts.reduce((sum, part) => sum + part.length, 0))
    const buffers = await this.#pool.acquire(memberLengths)
    try {
      let filled = 0
      for (const part of parts) {
        buffers.input.set(part, filled)
        filled += part.length
        this.#uncompressed.update(part)
      }
      const compressed = await this.#pool.compress(buffers, memberLengths, Uint32Array.of(0))
      await this.#emit(buffers.output.subarray(0, compressed.memberLengths[0]))
    } finally {
      this.#pool.release(buffers)
    }
    return digest.digest()
  }

  async #emit(bytes: Buffer): Promise<void> {
    this.#blob.update(bytes)
    for (let start = 0; start < bytes.length; start += WRITE_BYTES_MAX) {
      await this.#sink.write(bytes.subarray(start, start + WRITE_BYTES_MAX))
    }
  }
}

function* plannedEntries(ordering: Ordering, mark: PlannedEntry): Generator<PlannedEntry> {
  for (const entry of ordering.prioritized) yield { entry }
  yield mark
  for (const entry of ordering.rest) yield { entry }
}

/** Members in groups that go to a thread together; has no influence on the bytes. */
function* batches(members: Iterable<Member>): Generator<Batch> {
  let group: Member[] = []
  let bytes = 0
  for (const member of members) {
    const full = bytes + member.bytes > BATCH_BYTES || group.length === BATCH_MEMBERS
    if (full && group.length > 0) {
      yield batchOf(group, bytes)
      group = []
      bytes = 0
    }
    group.push(member)
    bytes += member.bytes
  }
  yield batchOf(group, bytes)
}

function batchOf(members: Member[], bytes: number): Batch {
  return {
    members,
    memberLengths: Uint32Array.from(members, (member) => member.bytes),
    payloadLengths: Uint32Array.from(members, (member) => member.payloadBytes),
    bytes,
  }
}

/** Ranges of the source that touch across members are read in one go. */
function* joinedSegments(members: readonly Member[]): Generator<Segment> {
  let joined: Segment | undefined
  for (const member of members) {
    for (const segment of member.segments) {
      const end = joined?.sourceOffset === undefined ? undefined : joined.sourceOffset + joined.bytes
      if (joined !== undefined && end !== undefined && end === segment.sourceOffset) {
        joined = { bytes: joined.bytes + segment.bytes, sourceOffset: joined.sourceOffset as number }
        continue
      }
      if (joined !== undefined) yield joined
      joined = segment
    }
  }
  if (joined !== undefined) yield joined
}

/**
 * An opened layer in its new order → the bytes of a blob, with every digest that anybody asks of it.
 * Three things go on at once: batches are filled from the spool, compressed by threads, and written in order.
 */
import { createHash, type Hash } from 'node:crypto'
import { releaseMemory } from '../../native/memory.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { type Batch, batches } from './batches.ts'
import type { BlobFormat, BlobOutput, BlobTable, ExternalToc, WrittenChunk } from './blob-format.ts'
import type { Codec } from './codec.ts'
import type { BatchBuffers, CompressedBatch, CompressionPool } from './compression-pool.ts'
import { fillMembers, type LayerContent } from './fill.ts'
import { landmark } from './gzip.ts'
import { losslessEntries } from './lossless.ts'
import { type Member, type PlannedEntry, planMembers } from './members.ts'
import type { Ordering } from './prioritize.ts'

/** Where the blob goes; awaited, so a slow one slows everything. */
export interface BlobSink {
  write(bytes: Uint8Array): Promise<void>
  /** Nothing follows but the table, which is compressed as a whole. */
  nearEnd?(): void
}

export interface BlobOptions {
  format: BlobFormat
  signal?: AbortSignal
  /** @param doneBytes uncompressed bytes written so far */
  onProgress?(doneBytes: number): void
}

export interface WrittenBlob {
  digest: Digest
  sizeBytes: number
  /** Of the whole uncompressed stream, end of archive and an eStargz' TOC entry included. */
  diffId: Digest
  uncompressedBytes: number
  tocDigest: Digest
  /** null when the TOC is not in the blob. */
  tocOffset: number | null
  /** The TOC where it is a blob of its own. */
  externalToc?: ExternalToc
  /** Compressed bytes before the landmark's content; 0 when nothing is to be fetched ahead. */
  hotZoneBytes: number
  /** Of the format, for the layer's descriptor. */
  annotations: Record<string, string>
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

/** Stores take what they like; this keeps a single write small enough for any of them. */
const WRITE_BYTES_MAX = 1024 * 1024

class BlobWriting {
  readonly #layer: LayerContent
  readonly #pool: CompressionPool
  readonly #sink: BlobSink
  readonly #options: BlobOptions
  readonly #blob = new DigestCounter()
  readonly #uncompressed = new DigestCounter()
  readonly #table: BlobTable
  /** Uncompressed bytes that are written. */
  #doneBytes = 0
  /** Content of the file whose chunks are being filled. */
  #filling: Hash | undefined
  /** Digests of files of more than one chunk. */
  readonly #fileDigests = new Map<TarEntry, Digest>()
  #hotZoneBytes = 0
  #failure: unknown

  constructor(layer: LayerContent, pool: CompressionPool, sink: BlobSink, options: BlobOptions) {
    this.#layer = layer
    this.#pool = pool
    this.#sink = sink
    this.#options = options
    this.#table = options.format.begin()
  }

  async write(ordering: Ordering): Promise<WrittenBlob> {
    const { format } = this.#options
    const { uncompressedBytes: sourceBytes } = this.#layer
    const planned = format.lossless
      ? losslessEntries(ordering.rest, sourceBytes)
      : plannedEntries(ordering, format)
    const plan = planMembers(planned, {
      chunkBytes: format.chunkBytes,
      minChunkBytes: format.minChunkBytes,
      contentApart: format.contentApart,
      sourceBytes,
      lossless: format.lossless ?? false,
    })
    await this.#writeMembers(plan)
    this.#sink.nearEnd?.()
    const end = await this.#table.end(this.#output())
    return {
      digest: this.#blob.digest(),
      sizeBytes: this.#blob.sizeBytes,
      diffId: this.#uncompressed.digest(),
      uncompressedBytes: this.#uncompressed.sizeBytes,
      hotZoneBytes: this.#hotZoneBytes,
      ...end,
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
      const { hotCodec, codec } = this.#options.format
      const compressed = this.#pool.compress(buffers, {
        ...batch,
        codec: batch.hot ? hotCodec : codec,
        isSlow: batch.hot,
      })
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
    const filled = await fillMembers(this.#layer, batch.members, input)
    this.#uncompressed.update(input.subarray(0, filled))
    let start = 0
    for (const member of batch.members) {
      const bytes = input.subarray(start, start + member.bytes)
      this.#table.observe?.(member, bytes)
      this.#hashFiles(member, bytes)
      start += member.bytes
    }
  }

  /** Of a file in one chunk, the chunk's digest is the file's. */
  #hashFiles({ parts }: Member, bytes: Buffer): void {
    for (const { entry, chunk } of parts) {
      if (chunk === undefined || chunk.bytes === entry.sizeBytes) continue
      this.#filling ??= createHash('sha256')
      this.#filling.update(bytes.subarray(chunk.innerOffset, chunk.innerOffset + chunk.bytes))
      if (chunk.offset + chunk.bytes < entry.sizeBytes) continue
      this.#fileDigests.set(entry, `sha256:${this.#filling.digest('hex')}`)
      this.#filling = undefined
    }
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
    const digests = compressed.payloadDigests.values()
    for (const [index, member] of batch.members.entries()) {
      const endOffset = offset + (compressed.memberLengths[index] as number)
      this.#tell(member, offset, endOffset, digests)
      if (member.hot) this.#hotZoneBytes = endOffset
      offset = endOffset
    }
    await this.#emit(output.subarray(0, offset - this.#blob.sizeBytes))
    this.#doneBytes += batch.bytes
    this.#options.onProgress?.(this.#doneBytes)
  }

  #tell({ parts }: Member, offset: number, endOffset: number, digests: Iterator<string>): void {
    for (const { entry, chunk } of parts) {
      if (chunk === undefined) {
        this.#table.entry(entry)
        continue
      }
      const { offset: chunkOffset, bytes, innerOffset } = chunk
      const chunkDigest: Digest = `sha256:${digests.next().value}`
      const fileDigest =
        bytes === entry.sizeBytes ? chunkDigest : this.#fileDigestAt(entry, chunkOffset + bytes)
      const written: WrittenChunk = { chunkOffset, bytes, offset, endOffset, innerOffset, chunkDigest }
      if (fileDigest !== undefined) written.fileDigest = fileDigest
      this.#table.chunk(entry, written)
    }
  }

  /** With the last chunk. */
  #fileDigestAt(entry: TarEntry, endOffset: number): Digest | undefined {
    if (endOffset < entry.sizeBytes) return undefined
    const digest = this.#fileDigests.get(entry)
    this.#fileDigests.delete(entry)
    return digest
  }

  #output(): BlobOutput {
    const blob = this.#blob
    const uncompressed = this.#uncompressed
    return {
      get offset() {
        return blob.sizeBytes
      },
      get uncompressedBytes() {
        return uncompressed.sizeBytes
      },
      member: async (parts, codec) => {
        for (const part of parts) uncompressed.update(part)
        await this.#compressed(parts, codec, (member) => this.#emit(member))
      },
      compressed: (parts, codec) => this.#compressed(parts, codec, async (member) => Buffer.from(member)),
      raw: (bytes) => this.#emit(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
    }
  }

  /** One member of all parts, lent to `use`. */
  async #compressed<T>(
    parts: readonly Buffer[],
    codec: Codec,
    use: (member: Buffer) => Promise<T>,
  ): Promise<T> {
    const memberLengths = Uint32Array.of(parts.reduce((sum, part) => sum + part.length, 0))
    const buffers = await this.#pool.acquire(memberLengths)
    try {
      let filled = 0
      for (const part of parts) {
        buffers.input.set(part, filled)
        filled += part.length
        releaseMemory(part)
      }
      const compressed = await this.#pool.compress(buffers, {
        codec,
        memberLengths,
        payloads: new Uint32Array(),
        sameThread: true,
        isSlow: true,
      })
      return await use(buffers.output.subarray(0, compressed.memberLengths[0]))
    } finally {
      this.#pool.release(buffers)
    }
  }

  async #emit(bytes: Buffer): Promise<void> {
    this.#blob.update(bytes)
    for (let start = 0; start < bytes.length; start += WRITE_BYTES_MAX) {
      await this.#sink.write(bytes.subarray(start, start + WRITE_BYTES_MAX))
    }
  }
}

/** What a blob's tar is made of, in its order. */
export function* plannedEntries(ordering: Ordering, { hasLandmark }: BlobFormat): Generator<PlannedEntry> {
  for (const entry of ordering.prioritized) yield { entry, hot: true }
  if (hasLandmark) yield landmark(ordering.prioritized.length > 0)
  for (const entry of ordering.rest) yield { entry }
}

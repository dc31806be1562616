/**
 * How many bytes of a blob would come before its landmark, and where in it each file would lie: the members are really
 * compressed, as a conversion would, and kept nowhere. What was compressed once is not compressed again, so that orders that
 * have much in common are measured one after the other at little cost.
 */
import type { TarEntry } from '../tar/entry.ts'
import { type Batch, batches } from './batches.ts'
import type { BlobFormat } from './blob-format.ts'
import type { CompressionPool } from './compression-pool.ts'
import { fillMembers, type LayerContent } from './fill.ts'
import { type Member, planMembers } from './members.ts'
import type { Ordering } from './prioritize.ts'
import { plannedEntries } from './writer.ts'

export interface HotZone {
  /** Compressed bytes before the landmark's content; 0 where nothing comes first. */
  bytes: number
  /** Of each entry that comes first, where in the blob the last member of it ends. */
  ends: Map<TarEntry, number>
  /** Of those with content, in the blob's order. */
  chunks: Map<TarEntry, HotChunk[]>
  /** False where it has more than the bytes asked for: it was not measured to its end. */
  isWhole: boolean
}

export interface HotChunk {
  /** In the file. */
  chunkOffset: number
  /** Uncompressed. */
  chunkBytes: number
  /** In the blob: of the member that holds it. */
  offset: number
  /** Compressed. */
  memberBytes: number
  /** Where the chunk begins in the uncompressed member. */
  innerOffset: number
}

export interface MeasureOptions {
  /** Stop once there are more. */
  bytesMax?: number
  signal?: AbortSignal
}

/** Batches that are compressed before the oldest of them is waited for. */
const BATCHES_AHEAD = 8

export class HotZoneMeter {
  readonly #layer: LayerContent
  readonly #format: BlobFormat
  readonly #pool: CompressionPool
  /** Compressed bytes of members by what they are made of. */
  readonly #known = new Map<string, number>()

  constructor(layer: LayerContent, format: BlobFormat, pool: CompressionPool) {
    this.#layer = layer
    this.#format = format
    this.#pool = pool
  }

  async measure(ordering: Ordering, options: MeasureOptions = {}): Promise<HotZone> {
    const { bytesMax = Number.POSITIVE_INFINITY, signal } = options
    const zone: HotZone = { bytes: 0, ends: new Map(), chunks: new Map(), isWhole: true }
    const waiting: Waiting[] = []
    const takeOldest = async () => {
      const oldest = waiting.shift()
      if (oldest !== undefined) place(zone, oldest.members, await oldest.lengths)
    }
    try {
      for (const batch of batches(this.#hotMembers(ordering))) {
        signal?.throwIfAborted()
        if (waiting.length === BATCHES_AHEAD) await takeOldest()
        if (zone.bytes > bytesMax) return { ...zone, isWhole: false }
        waiting.push(await this.#begin(batch))
      }
      while (waiting.length > 0) await takeOldest()
      return zone
    } finally {
      await Promise.allSettled(waiting.map(({ lengths }) => lengths))
    }
  }

  /** Those before the landmark's content; what lies between two contents rides in the member of the first. */
  *#hotMembers(ordering: Ordering): Generator<Member> {
    const { chunkBytes, minChunkBytes, contentApart } = this.#format
    const sourceBytes = this.#layer.uncompressedBytes
    const options = { chunkBytes, minChunkBytes, contentApart, sourceBytes }
    for (const member of planMembers(plannedEntries(ordering, this.#format), options)) {
      if (!member.hot) return
      yield member
    }
  }

  /** Resolves when the batch is on its way to a thread. */
  async #begin({ members }: Batch): Promise<Waiting> {
    const keys = members.map(keyOf)
    const unknown = members.filter((_, index) => !this.#known.has(keys[index] as string))
    const lengthsOf = () => keys.map((key) => this.#known.get(key) as number)
    if (unknown.length === 0) return { members, lengths: Promise.resolve(lengthsOf()) }
    const memberLengths = Uint32Array.from(unknown, ({ bytes }) => bytes)
    const buffers = await this.#pool.acquire(memberLengths)
    try {
      await fillMembers(this.#layer, unknown, buffers.input)
    } catch (error) {
      this.#pool.release(buffers)
      throw error
    }
    const job = { codec: this.#format.hotCodec, memberLengths, payloads: new Uint32Array(), isSlow: true }
    const lengths = this.#pool
      .compress(buffers, job)
      .finally(() => this.#pool.release(buffers))
      .then((compressed) => {
        for (const [index, member] of unknown.entries())
          this.#known.set(keyOf(member), compressed.memberLengths[index] as number)
        return lengthsOf()
      })
    // Whoever waits for it is told.
    lengths.catch(() => {})
    return { members, lengths }
  }
}

interface Waiting {
  members: readonly Member[]
  /** Compressed bytes of each. */
  lengths: Promise<number[]>
}

/** Equal for members of the same bytes of the same layer. */
function keyOf({ segments }: Member): string {
  return segments
    .map(({ bytes, sourceOffset, data }) => `${sourceOffset ?? data?.toString('latin1') ?? ''}+${bytes}`)
    .join(' ')
}

function place(zone: HotZone, members: readonly Member[], lengths: readonly number[]): void {
  for (const [index, { parts }] of members.entries()) {
    const offset = zone.bytes
    const memberBytes = lengths[index] as number
    zone.bytes += memberBytes
    for (const { entry, chunk } of parts) {
      zone.ends.set(entry, zone.bytes)
      if (chunk === undefined) continue
      const chunks = zone.chunks.get(entry) ?? []
      zone.chunks.set(entry, chunks)
      const { offset: chunkOffset, bytes: chunkBytes, innerOffset } = chunk
      chunks.push({ chunkOffset, chunkBytes, offset, memberBytes, innerOffset })
    }
  }
}

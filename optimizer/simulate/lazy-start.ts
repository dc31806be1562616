/**
 * A snapshotter pulls an image lazily: tables of contents first, then what stands before the landmarks, then the
 * workload runs and whatever else it reads is fetched on demand.
 */
import {
  type ClientModel,
  FOOTER_BYTES,
  PREFETCH_WAIT_SECONDS,
  PROBE_BYTES,
  READ_BYTES_MAX,
} from './client-model.ts'
import { type Connections, Wire } from './connections.ts'
import { fetchDocuments, unpackInOrder } from './full-pull.ts'
import type { Link } from './link.ts'
import { BlobPieces } from './pieces.ts'
import type { PredictedStart } from './predicted-start.ts'
import type { AccessOfStart, LazyLayer, StartFacts, StoredCompression, StoredPiece } from './start-facts.ts'
import { type Process, Resource, type Task, World } from './virtual-time.ts'

export function lazyStart(facts: StartFacts, link: Link, client: ClientModel): PredictedStart {
  return new LazyStart(facts, link, client).run()
}

class LazyStart {
  readonly #facts: StartFacts
  readonly #client: ClientModel
  readonly #world = new World()
  readonly #wire: Wire
  readonly #snapshotter: Connections
  readonly #processors: Resource
  readonly #pieces: BlobPieces[]
  /** Pieces of files that are decompressed: `layer offset`. */
  readonly #contents = new Set<string>()
  #pullSeconds = 0
  #onDemandRequests = 0
  /** Taken when the workload is up: a prefetch that nobody waited for may still go on. */
  #ready = Number.NaN
  #traffic = { wireBytes: 0, requests: 0 }
  #laterBytes = 0

  constructor(facts: StartFacts, link: Link, client: ClientModel) {
    this.#facts = facts
    this.#client = client
    this.#wire = new Wire(link, client)
    this.#snapshotter = this.#wire.connections()
    this.#processors = new Resource(client.processors)
    this.#pieces = facts.layers.map(({ sizeBytes }) => new BlobPieces(sizeBytes))
  }

  run(): PredictedStart {
    this.#world.start(this.#start())
    this.#world.run()
    const totalSeconds = this.#ready
    return {
      pullSeconds: this.#pullSeconds,
      runSeconds: totalSeconds - this.#pullSeconds,
      totalSeconds,
      ...this.#traffic,
      onDemandRequests: this.#onDemandRequests,
      laterBytes: this.#laterBytes,
    }
  }

  *#start(): Process {
    const world = this.#world
    const client = this.#client
    yield { seconds: client.pullSeconds }
    const command = this.#wire.connections()
    yield* fetchDocuments(this.#facts, command)
    const prefetches: Task[] = []
    yield { ends: this.#facts.layers.map((_, index) => world.start(this.#resolve(index, prefetches))) }
    yield* this.#unpackOthers(command)
    yield { seconds: client.mountSeconds * this.#facts.layers.length }
    this.#pullSeconds = world.now
    yield { ends: prefetches, atMostSeconds: PREFETCH_WAIT_SECONDS }
    yield { seconds: client.runSeconds }
    yield* this.#workload()
    this.#ready = world.now
    this.#traffic = { ...this.#wire.traffic }
    this.#laterBytes = this.#facts.layers.reduce(
      (sum, { lazy }, index) => sum + (lazy === null ? 0 : (this.#pieces[index]?.restBytes() ?? 0)),
      0,
    )
  }

  /** Two requests to know where the blob is and how large, then its end, then its table of contents. */
  *#resolve(index: number, prefetches: Task[]): Process {
    const layer = this.#facts.layers[index]
    if (layer?.lazy == null) return
    const { tocOffset, tocBytes, isTocApart } = layer.lazy
    yield* this.#snapshotter.request(PROBE_BYTES)
    yield* this.#snapshotter.request(0)
    yield* this.#fetch(index, layer.sizeBytes - FOOTER_BYTES, FOOTER_BYTES)
    if (isTocApart) {
      yield* this.#snapshotter.request(this.#facts.documentBytes)
      yield* this.#snapshotter.request(tocBytes)
    } else yield* this.#fetch(index, tocOffset, tocBytes)
    yield { use: this.#processors, amount: layer.files / this.#client.tocFilesPerSecond, most: 1 }
    if (layer.lazy.prefetchBytes > 0)
      prefetches.push(this.#world.start(this.#prefetch(index, layer.lazy, layer.compression)))
  }

  *#prefetch(index: number, lazy: LazyLayer, compression: StoredCompression): Process {
    const { prefetchBytes, prefetchContentBytes, prefetchFiles } = lazy
    yield* this.#fetch(index, 0, prefetchBytes)
    const { contentBytesPerSecond, cachedFileSeconds } = this.#client
    const work = prefetchContentBytes / contentBytesPerSecond[compression] + prefetchFiles * cachedFileSeconds
    yield { use: this.#processors, amount: work }
    for (const { layer, pieces } of this.#facts.accesses)
      if (layer === index)
        for (const [offset] of pieces) if (offset < prefetchBytes) this.#contents.add(`${index} ${offset}`)
  }

  /** Layers without a table of contents, as a full pull has them. */
  *#unpackOthers(command: Connections): Process {
    const others = this.#facts.layers.filter(({ lazy }) => lazy === null)
    const fetches = others.map(({ sizeBytes }) => this.#world.start(command.request(sizeBytes)))
    yield* unpackInOrder(others, fetches, this.#client)
  }

  /** Its own time passes as it did where the whole image was there; what it has to wait for comes on top. */
  *#workload(): Process {
    const { accesses, ownSeconds } = this.#facts
    const { readFileSeconds, readBytesPerSecond } = this.#client
    let clock = 0
    let pending = 0
    for (const access of accesses) {
      const at = Math.min(Math.max(clock, access.atSeconds), ownSeconds)
      pending += at - clock
      clock = at
      if (this.#facts.layers[access.layer]?.lazy == null) continue
      pending += readFileSeconds
      for (const piece of access.pieces) {
        pending += piece[2] / readBytesPerSecond
        if (this.#contents.has(`${access.layer} ${piece[0]}`)) continue
        yield { seconds: pending }
        pending = 0
        yield* this.#readOnDemand(access, piece)
      }
    }
    yield { seconds: pending + ownSeconds - clock }
  }

  /** A piece of a file is fetched, decompressed and checked as a whole, whatever of it is read. */
  *#readOnDemand({ layer }: AccessOfStart, [offset, storedBytes, contentBytes]: StoredPiece): Process {
    this.#contents.add(`${layer} ${offset}`)
    const before = this.#wire.traffic.requests
    for (let at = 0; at < storedBytes; at += READ_BYTES_MAX)
      yield* this.#fetch(layer, offset + at, Math.min(READ_BYTES_MAX, storedBytes - at))
    this.#onDemandRequests += this.#wire.traffic.requests - before
    const { contentBytesPerSecond, cachedFileSeconds } = this.#client
    const compression = this.#facts.layers[layer]?.compression ?? 'none'
    const work = contentBytes / contentBytesPerSecond[compression] + cachedFileSeconds
    yield { use: this.#processors, amount: work, most: 1 }
  }

  /** One request for the pieces that lack; none where nothing does. */
  *#fetch(index: number, offset: number, bytes: number): Process {
    const pieces = this.#pieces[index]
    const missing = pieces?.missingBytes(offset, bytes) ?? 0
    if (missing === 0) return
    yield* this.#snapshotter.request(missing)
    pieces?.add(offset, bytes)
  }
}

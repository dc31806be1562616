/** Layers that are read before somebody needs all of them: the next ones while one is unpacked, converted, or run. */
import { availableParallelism } from 'node:os'
import { formatBytes } from './console.ts'
import { largestFirst, layerBlob, type SpoolRequest } from './layer-blob.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { IndexedLayer, OpenedLayer } from './tar/layer.ts'
import { beginLayer, type LayerUnderWay } from './tar/layer-under-way.ts'
import type { KnownContents, LayerSupply, LayerToUnpack } from './unpack/layer-cache.ts'
import type { ContentsEntry } from './unpack/layer-contents.ts'

/** Reading a layer is inflating it on one thread; more at a time would only fill the memory. */
export const CONCURRENT_LAYERS_MAX = Math.min(availableParallelism(), 4)

export interface EarlyReading {
  /** The layers' bytes stay until they are taken: none is read twice. */
  keeps: boolean
  /** Layers being read or, where their bytes do not stay, there at a time. */
  atOnce: number
  /** Those that nobody is to unpack are read as well, as soon as nothing else is: they are far away. */
  readsAll: boolean
}

interface Begun {
  layer: LayerUnderWay
  stop(): void
}

export class EarlyLayers implements LayerSupply {
  readonly #request: SpoolRequest
  readonly #how: EarlyReading
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  /** To be begun, in this order. */
  #waiting: number[] = []
  /** Being read, or read and not taken. */
  readonly #begun = new Map<number, Begun>()
  readonly #reading = new Set<number>()
  readonly #indexed = new Map<number, IndexedLayer>()
  readonly #known = new Map<number, KnownContents>()

  constructor(request: SpoolRequest, how: EarlyReading) {
    this.#request = request
    this.#how = how
    this.#signal = AbortSignal.any([request.signal, this.#ending.signal])
  }

  get image(): ResolvedImage {
    return this.#request.image
  }

  expect(indexes: readonly number[]): void {
    const others = this.#how.readsAll ? [...this.image.manifest.layers.keys()] : []
    this.#waiting = [...new Set([...indexes, ...others])].filter((index) => !this.#begun.has(index))
    this.#beginNext()
  }

  learn(index: number, contents: KnownContents): void {
    this.#known.set(index, contents)
  }

  skip(index: number): void {
    // What is unpacked is converted, too, where bytes stay.
    if (this.#how.keeps) return
    this.#waiting = this.#waiting.filter((other) => other !== index)
    this.#begun.get(index)?.stop()
    void this.#drop(index)
  }

  async use<T>(index: number, body: (layer: LayerToUnpack) => Promise<T>): Promise<T> {
    const { layer } = this.#underWay(index)
    try {
      return await body(layer)
    } catch (error) {
      // Nobody wants the others then.
      this.#ending.abort(error)
      throw error
    } finally {
      if (!this.#how.keeps) await this.#drop(index)
    }
  }

  /** Aborted when nothing more is read. */
  get signal(): AbortSignal {
    return this.#signal
  }

  /**
   * The layer is the caller's then.
   * @param wanted when nobody wants any layer any more
   * @throws as `openLayer`; the other layers are not read on then
   */
  async take(index: number, wanted?: AbortSignal): Promise<OpenedLayer> {
    const end = () => this.#ending.abort(wanted?.reason)
    wanted?.addEventListener('abort', end, { once: true })
    try {
      const opened = await this.#underWay(index).layer.whole
      this.#begun.delete(index)
      return opened
    } catch (error) {
      this.#ending.abort(error)
      throw error
    } finally {
      wanted?.removeEventListener('abort', end)
    }
  }

  /** All of them, the lowest first; they are the caller's then. @throws what the first one throws that fails */
  async takeAll(): Promise<OpenedLayer[]> {
    const waiting = largestFirst(this.image).filter((index) => !this.#begun.has(index))
    this.#waiting = []
    const readOn = async () => {
      for (let index = waiting.shift(); index !== undefined; index = waiting.shift())
        await this.#underWay(index).layer.whole
    }
    const underWay = [...this.#begun].map(async ([index, { layer }]) => {
      const isFree = this.#reading.has(index)
      await layer.whole
      if (isFree) await readOn()
    })
    const others = Array.from({ length: Math.max(0, this.#how.atOnce - this.#reading.size) }, readOn)
    const reading = [...underWay, ...others].map((each) =>
      each.catch((error: unknown) => {
        // The first failure stops the others and is the one to tell.
        this.#ending.abort(error)
        throw error
      }),
    )
    const results = await Promise.allSettled(reading)
    if (results.some(({ status }) => status === 'rejected')) throw this.#signal.reason
    return await Promise.all([...this.image.manifest.layers.keys()].map((index) => this.take(index)))
  }

  /** Of a layer that was read. */
  indexed(index: number): IndexedLayer | undefined {
    return this.#indexed.get(index)
  }

  /** Of a layer that was read, or unpacked by an earlier run; null: it is to be read. */
  contentsOf(index: number): readonly ContentsEntry[] | null {
    return this.#indexed.get(index)?.entries ?? this.#known.get(index)?.read() ?? null
  }

  /** For later runs. */
  keepContents(index: number, entries: readonly ContentsEntry[]): void {
    this.#known.get(index)?.keep(entries)
  }

  /** Ends whatever is under way; layers that nobody has taken are gone then. */
  async close(): Promise<void> {
    this.#waiting = []
    this.#ending.abort(new Error('the layers are not wanted any more'))
    await Promise.all([...this.#begun.keys()].map((index) => this.#drop(index)))
  }

  #underWay(index: number): Begun {
    this.#waiting = this.#waiting.filter((other) => other !== index)
    return this.#begun.get(index) ?? this.#begin(index)
  }

  #begin(index: number): Begun {
    const { space, stages } = this.#request
    const stopping = new AbortController()
    const blob = layerBlob(this.#request, index, AbortSignal.any([this.#signal, stopping.signal]))
    const name = `layer ${index + 1} of ${this.image.manifest.layers.length}`
    stages.tell(`${name}: reading ${formatBytes(blob.descriptor.size)}`)
    const layer = beginLayer({ ...blob, space, spoolPath: space.newPath() })
    const begun = { layer, stop: () => stopping.abort(new Error('the layer is not wanted any more')) }
    this.#begun.set(index, begun)
    this.#reading.add(index)
    const ended = () => {
      this.#reading.delete(index)
      this.#beginNext()
    }
    layer.whole.then(
      (opened) => {
        stages.tell(`${name}: read`)
        this.#indexed.set(index, opened)
        ended()
      },
      () => ended(),
    )
    return begun
  }

  #beginNext(): void {
    const { keeps, atOnce } = this.#how
    while (this.#waiting.length > 0 && !this.#signal.aborted) {
      if ((keeps ? this.#reading : this.#begun).size >= atOnce) return
      this.#begin(this.#waiting.shift() as number)
    }
  }

  async #drop(index: number): Promise<void> {
    const begun = this.#begun.get(index)
    await begun?.layer.whole.then(
      (opened) => opened.close(),
      () => {},
    )
    this.#begun.delete(index)
    this.#beginNext()
  }
}

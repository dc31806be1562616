/** All layers of an image, read once each: at most as many at a time as there are processors to inflate. */
import { availableParallelism } from 'node:os'
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import { laterLayer, Turn } from './later-layer.ts'
import { fitTogether } from './spool-need.ts'
import type { Stages } from './stages.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { GzipHelper } from './tar/gzip-helper.ts'
import { type IndexedLayer, indexLayer, type LayerBlob, type OpenedLayer, openLayer } from './tar/layer.ts'
import type { SpoolSpace } from './tar/spool-space.ts'

/** Reading a layer is inflating it on one thread; more at a time would only fill the memory. */
const CONCURRENT_LAYERS_MAX = 4

export interface OpenRequest {
  content: ContentStore
  image: ResolvedImage
  /** What decompresses gzip in place of what is built in. */
  gzipHelper?: GzipHelper
  signal: AbortSignal
  stages: Stages
}

export interface SpoolRequest extends OpenRequest {
  space: SpoolSpace
}

/** Layers that somebody needs before all are opened: none is decompressed twice where the disk has room for all. */
export class EarlyLayers {
  readonly #request: SpoolRequest
  readonly #keep: boolean
  readonly #opened = new Map<number, OpenedLayer>()
  readonly #indexed = new Map<number, IndexedLayer>()

  /** @param keep their bytes stay for whoever opens all */
  constructor(request: SpoolRequest, keep: boolean) {
    this.#request = request
    this.#keep = keep
  }

  get image(): ResolvedImage {
    return this.#request.image
  }

  /** The layer is closed, or kept, when `body` is through. */
  async use<T>(index: number, body: (layer: OpenedLayer) => Promise<T>): Promise<T> {
    const { space, signal } = this.#request
    const layer = await openIn(space, blobOf(this.#request, index, signal))
    this.#indexed.set(index, layer)
    this.#opened.set(index, layer)
    try {
      return await body(layer)
    } finally {
      if (!this.#keep) await this.take(index)?.close()
    }
  }

  /** It is the caller's then. */
  take(index: number): OpenedLayer | undefined {
    const layer = this.#opened.get(index)
    this.#opened.delete(index)
    return layer
  }

  indexed(index: number): IndexedLayer | undefined {
    return this.#indexed.get(index)
  }

  /** Those that nobody has taken. */
  async close(): Promise<void> {
    await Promise.all([...this.#opened.keys()].map((index) => this.take(index)?.close()))
  }
}

/** Those that `body` opens early are kept for it where there is room for all. @param request null: there are none */
export async function withEarlyLayers<T>(
  request: SpoolRequest | null,
  body: (early: EarlyLayers | null) => Promise<T>,
): Promise<T> {
  if (request === null) return await body(null)
  const { content, image, space } = request
  const early = new EarlyLayers(request, await fitTogether(content, image.manifest.layers, space))
  try {
    return await body(early)
  } finally {
    await early.close()
  }
}

/**
 * What is in the layers, and nothing of their bytes kept.
 * @param early those that were read before are not read again
 * @param how told with the stage
 * @returns lowest first
 */
export async function indexLayers(
  request: OpenRequest,
  early: EarlyLayers | null = null,
  how = '',
): Promise<IndexedLayer[]> {
  const { layers } = request.image.manifest
  const indexed: (IndexedLayer | undefined)[] = layers.map((_, index) => early?.indexed(index))
  await request.stages.run('read layers', `${layers.length} layers${how}`, () =>
    readAll(request, async (index, blob) => {
      indexed[index] ??= await indexLayer(blob())
    }),
  )
  return indexed as IndexedLayer[]
}

/**
 * @param early those that were opened before are taken over
 * @returns what `body` returns; what was kept of the layers is gone then, whatever happened
 */
export async function withOpenLayers<T>(
  request: SpoolRequest,
  body: (layers: OpenedLayer[]) => Promise<T>,
  early: EarlyLayers | null = null,
): Promise<T> {
  const { content, image, space } = request
  const { layers } = image.manifest
  if (!(await fitTogether(content, layers, space))) return await body(await layersOneByOne(request, early))
  const opened: OpenedLayer[] = []
  try {
    await request.stages.run('read layers', `${layers.length} layers`, () =>
      readAll(request, async (index, blob) => {
        opened[index] = early?.take(index) ?? (await openIn(space, blob()))
      }),
    )
    return await body(opened)
  } finally {
    await Promise.all(opened.map((layer) => layer?.close()))
  }
}

function openIn(space: SpoolSpace, blob: LayerBlob): Promise<OpenedLayer> {
  return openLayer({ ...blob, space, spoolPath: space.newPath() })
}

/** Slower: each is decompressed twice. They are closed by whoever made them ready. */
async function layersOneByOne(request: SpoolRequest, early: EarlyLayers | null): Promise<OpenedLayer[]> {
  const turn = new Turn()
  const indexed = await indexLayers(
    request,
    early,
    ', and each again later: --spool-limit holds one at a time',
  )
  return indexed.map((layer, index) =>
    laterLayer(layer, turn, () => openIn(request.space, blobOf(request, index, request.signal))),
  )
}

function blobOf({ content, image, gzipHelper }: OpenRequest, index: number, signal: AbortSignal): LayerBlob {
  const descriptor = image.manifest.layers[index] as Descriptor
  return {
    blob: content.read(descriptor.digest),
    descriptor,
    diffId: image.config.rootfs.diff_ids[index] as Digest,
    ...(gzipHelper === undefined ? {} : { gzipHelper }),
    signal,
  }
}

async function readAll(
  request: OpenRequest,
  read: (index: number, blob: () => LayerBlob) => Promise<void>,
): Promise<void> {
  const { layers } = request.image.manifest
  const failure = new AbortController()
  const either = AbortSignal.any([request.signal, failure.signal])
  // The largest first: one that is begun last would be inflated alone, on one thread.
  const waiting = [...layers.keys()].sort((one, other) => sizeOf(layers, other) - sizeOf(layers, one))
  const readOne = (index: number) => read(index, () => blobOf(request, index, either))
  const worker = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await readOne(index)
  }
  const workers = Array.from({ length: Math.min(availableParallelism(), CONCURRENT_LAYERS_MAX) }, () =>
    worker().catch((error: unknown) => {
      // The first failure stops the others and is the one to tell.
      failure.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(workers)
  if (results.some((result) => result.status === 'rejected')) throw either.reason
}

function sizeOf(layers: readonly Descriptor[], index: number): number {
  return layers[index]?.size ?? 0
}

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

/** What is in the layers, and nothing of their bytes kept. @param how told with the stage. @returns lowest first */
export async function indexLayers(request: OpenRequest, how = ''): Promise<IndexedLayer[]> {
  const indexed: IndexedLayer[] = []
  const { layers } = request.image.manifest
  await request.stages.run('read layers', `${layers.length} layers${how}`, () =>
    readAll(request, async (index, blob) => {
      indexed[index] = await indexLayer(blob)
    }),
  )
  return indexed
}

/** @returns what `body` returns; what was kept of the layers is gone then, whatever happened */
export async function withOpenLayers<T>(
  request: OpenRequest & { space: SpoolSpace },
  body: (layers: OpenedLayer[]) => Promise<T>,
): Promise<T> {
  const { content, image, space } = request
  const { layers } = image.manifest
  if (!(await fitTogether(content, layers, space))) return await body(await layersOneByOne(request))
  const opened: OpenedLayer[] = []
  try {
    await request.stages.run('read layers', `${layers.length} layers`, () =>
      readAll(request, async (index, blob) => {
        opened[index] = await openIn(space, blob)
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
async function layersOneByOne(request: OpenRequest & { space: SpoolSpace }): Promise<OpenedLayer[]> {
  const turn = new Turn()
  const indexed = await indexLayers(request, ', and each again later: --spool-limit holds one at a time')
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
  read: (index: number, blob: LayerBlob) => Promise<void>,
): Promise<void> {
  const { layers } = request.image.manifest
  const failure = new AbortController()
  const either = AbortSignal.any([request.signal, failure.signal])
  // The largest first: one that is begun last would be inflated alone, on one thread.
  const waiting = [...layers.keys()].sort((one, other) => sizeOf(layers, other) - sizeOf(layers, one))
  const worker = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift())
      await read(index, blobOf(request, index, either))
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

/** All layers of an image, read once each: at most as many at a time as there are processors to inflate. */
import { randomUUID } from 'node:crypto'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import type { Stages } from './stages.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { GzipHelper } from './tar/gzip-helper.ts'
import { type IndexedLayer, indexLayer, type LayerBlob, type OpenedLayer, openLayer } from './tar/layer.ts'

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

/** What is in the layers, and nothing of their bytes kept. @returns lowest first */
export async function indexLayers(request: OpenRequest): Promise<IndexedLayer[]> {
  const indexed: IndexedLayer[] = []
  const { layers } = request.image.manifest
  await request.stages.run('read layers', `${layers.length} layers`, () =>
    readAll(request, async (index, blob) => {
      indexed[index] = await indexLayer(blob)
    }),
  )
  return indexed
}

/** @returns what `body` returns; the spool files are gone then, whatever happened */
export async function withOpenLayers<T>(
  request: OpenRequest,
  body: (layers: OpenedLayer[]) => Promise<T>,
): Promise<T> {
  const opened: OpenedLayer[] = []
  try {
    const { layers } = request.image.manifest
    await request.stages.run('read layers', `${layers.length} layers`, () =>
      readAll(request, async (index, blob) => {
        const spoolPath = join(tmpdir(), `hotlayer-${randomUUID()}`)
        opened[index] = await openLayer({ ...blob, spoolPath })
      }),
    )
    return await body(opened)
  } finally {
    await Promise.all(opened.map((layer) => layer?.close()))
  }
}

async function readAll(
  { content, image, gzipHelper, signal }: OpenRequest,
  read: (index: number, blob: LayerBlob) => Promise<void>,
): Promise<void> {
  const failure = new AbortController()
  const either = AbortSignal.any([signal, failure.signal])
  const helper = gzipHelper === undefined ? {} : { gzipHelper }
  let next = 0
  const worker = async () => {
    while (next < image.manifest.layers.length) {
      const index = next++
      const descriptor = image.manifest.layers[index] as Descriptor
      const diffId = image.config.rootfs.diff_ids[index] as Digest
      const blob = content.read(descriptor.digest) as AsyncIterable<Buffer>
      await read(index, { blob, descriptor, diffId, ...helper, signal: either })
    }
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

/** All layers of an image, read once each: all before somebody uses them, or one after the other. */
import { CONCURRENT_LAYERS_MAX, EarlyLayers } from './early-layers.ts'
import { comingLayer, laterLayer, Turn } from './later-layer.ts'
import { largestFirst, layerBlob, type OpenRequest, type SpoolRequest } from './layer-blob.ts'
import { fitTogether, isLimited } from './spool-need.ts'
import { type IndexedLayer, indexLayer, type LayerBlob, type OpenedLayer, openLayer } from './tar/layer.ts'
import type { ContentsEntry } from './unpack/layer-contents.ts'

/** One in use and the next one, where layers are read to be unpacked alone. */
const UNPACKED_AT_ONCE = 2

/** For `record`: what is unpacked is not needed again. */
export async function withLayersToUnpack<T>(
  request: SpoolRequest,
  body: (early: EarlyLayers) => Promise<T>,
): Promise<T> {
  const early = new EarlyLayers(request, { keeps: false, atOnce: UNPACKED_AT_ONCE, readsAll: false })
  return await using(early, body)
}

/**
 * Those that `body` opens early are kept for it where there is room for all.
 * @param request null: there are none
 * @param isFar whether reading them takes long, and little of this machine
 */
export async function withEarlyLayers<T>(
  request: SpoolRequest | null,
  isFar: boolean,
  body: (early: EarlyLayers | null) => Promise<T>,
): Promise<T> {
  if (request === null) return await body(null)
  return await using(await earlyLayers(request, isFar), body)
}

async function earlyLayers(request: SpoolRequest, readsAll: boolean): Promise<EarlyLayers> {
  const keeps = await fitTogether(request.content, request.image.manifest.layers, request.space)
  return new EarlyLayers(request, {
    keeps,
    atOnce: keeps ? CONCURRENT_LAYERS_MAX : 1,
    readsAll: keeps && readsAll,
  })
}

async function using<T>(early: EarlyLayers, body: (early: EarlyLayers) => Promise<T>): Promise<T> {
  try {
    return await body(early)
  } finally {
    await early.close()
  }
}

/** What is in the layers, and nothing of their bytes kept. @returns lowest first */
export async function indexLayers(request: OpenRequest): Promise<IndexedLayer[]> {
  const none = request.image.manifest.layers.map(() => undefined)
  return await indexMissing<IndexedLayer>(request, none)
}

/**
 * The same, as much as says where a path leads: layers that were read or unpacked before are not read again.
 * @returns lowest first
 */
export async function layerContents(
  request: OpenRequest,
  early: EarlyLayers,
): Promise<{ entries: readonly ContentsEntry[] }[]> {
  const known = request.image.manifest.layers.map((_, index) => {
    const entries = early.contentsOf(index)
    return entries === null ? undefined : { entries }
  })
  return await indexMissing(request, known, '', (index, { entries }) => early.keepContents(index, entries))
}

/** @param how told with the stage */
async function indexMissing<Known extends object>(
  request: OpenRequest,
  known: (Known | undefined)[],
  how = '',
  onIndexed: (index: number, layer: IndexedLayer) => void = () => {},
): Promise<(Known | IndexedLayer)[]> {
  const indexed: (Known | IndexedLayer | undefined)[] = [...known]
  const missing = known.filter((layer) => layer === undefined).length
  const count = missing === known.length ? `${missing} layers` : `${missing} of ${known.length} layers`
  await request.stages.run('read layers', `${count}${how}`, () =>
    readAll(request, async (index, blob) => {
      if (indexed[index] !== undefined) return
      const layer = await indexLayer(blob())
      indexed[index] = layer
      onIndexed(index, layer)
    }),
  )
  return indexed as (Known | IndexedLayer)[]
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
  const open = async (reading: EarlyLayers) => {
    const opened: OpenedLayer[] = []
    try {
      const read = () => reading.takeAll()
      opened.push(...(await request.stages.run('read layers', `${layers.length} layers`, read)))
      return await body(opened)
    } finally {
      await Promise.all(opened.map((layer) => layer.close()))
    }
  }
  return early === null ? await using(await earlyLayers(request, false), open) : await open(early)
}

/**
 * The same without waiting for any of them: each is there from its `ready` to its `close`, the others are read meanwhile,
 * the largest first; where there is no room for all, one is there at a time.
 * @param body its signal is the request's; it is also aborted by what a layer cannot be read for
 */
export async function withComingLayers<T>(
  request: SpoolRequest,
  body: (layers: OpenedLayer[], signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { content, image, signal, space } = request
  const { layers } = image.manifest
  const turn = (await fitTogether(content, layers, space)) ? null : new Turn()
  return await using(await earlyLayers(request, false), async (early) => {
    if (turn === null) early.expect(largestFirst(image))
    const coming = layers.map((descriptor, index) => {
      const { diffId } = layerBlob(request, index, signal)
      return comingLayer({ descriptor, diffId, open: (wanted) => early.take(index, wanted) }, turn)
    })
    try {
      return await body(coming, early.signal)
    } finally {
      await Promise.all(coming.map((layer) => layer.close()))
    }
  })
}

/** Slower: each is decompressed twice. They are closed by whoever made them ready. */
async function layersOneByOne(request: SpoolRequest, early: EarlyLayers | null): Promise<OpenedLayer[]> {
  const { space, signal } = request
  const turn = new Turn()
  const known = request.image.manifest.layers.map((_, index) => early?.indexed(index))
  const how = ', and each again later: --spool-limit holds one at a time'
  const indexed = await indexMissing(request, known, how)
  const open = (index: number, wanted: AbortSignal = signal) => {
    const blob = layerBlob(request, index, AbortSignal.any([signal, wanted]))
    return openLayer({ ...blob, space, spoolPath: space.newPath() })
  }
  return indexed.map((layer, index) => laterLayer(layer, turn, (wanted) => open(index, wanted)))
}

async function readAll(
  request: OpenRequest,
  read: (index: number, blob: () => LayerBlob) => Promise<void>,
): Promise<void> {
  const failure = new AbortController()
  const either = AbortSignal.any([request.signal, failure.signal])
  const waiting = largestFirst(request.image)
  const readOne = (index: number) => read(index, () => layerBlob(request, index, either))
  const worker = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await readOne(index)
  }
  const { content, space } = request
  const isNarrow = content.holdsWhileRead === true && space !== undefined && isLimited(space)
  const workers = Array.from({ length: isNarrow ? 1 : CONCURRENT_LAYERS_MAX }, () =>
    worker().catch((error: unknown) => {
      // The first failure stops the others and is the one to tell.
      failure.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(workers)
  if (results.some((result) => result.status === 'rejected')) throw either.reason
}

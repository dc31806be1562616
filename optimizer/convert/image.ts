/** All layers of an image converted, and config and manifest around them. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import { CompressionPool } from '../estargz/compression-pool.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { type SourceImage, writeImage } from './documents.ts'
import { type ConvertedLayer, convertLayer } from './layer.ts'
import { blobFormat, type ConversionOptions } from './options.ts'
import { reuseLayer } from './reuse.ts'

export interface ImageRequest {
  /** Where the source's blobs are: what is kept as it is comes from there. */
  from: ContentStore
  /** Where the new blobs go; the same object where it is the same store. */
  content: ContentStore
  source: SourceImage
  /** One per layer of the manifest. */
  layers: readonly OpenedLayer[]
  /** For each layer of the manifest the paths to put first; null where nobody has asked for an order. */
  prioritized: readonly (readonly PathKey[])[] | null
  options: ConversionOptions
  /** A layer that is in the wanted form already is kept byte for byte. */
  reuse?: boolean
  /** Of the new manifest, over the source's. */
  annotations?: Record<string, string>
  signal?: AbortSignal
  onProgress?(progress: ConversionProgress): void
}

export interface ConversionProgress {
  /** The lowest layer in work, 0 = lowest of all, and how many there are. */
  layer: number
  layers: number
  /** Uncompressed bytes of the layer. */
  doneBytes: number
  totalBytes: number
}

export interface ConvertedImage {
  /** With platform and annotations as the source's index has them. */
  manifest: Descriptor
  layers: ConvertedLayer[]
  /** null for plain tar. */
  format: BlobFormat | null
}

/**
 * Writes the new image's blobs; giving it a name is the caller's. Equal layers are converted each by itself: they
 * may have been read differently.
 * @throws when anything fails, with no ingest left open
 */
export async function convertImage(request: ImageRequest): Promise<ConvertedImage> {
  const { content, source, options, signal } = request
  const format = blobFormat(options.format)
  const pool = new CompressionPool(options)
  try {
    const layers = await convertLayers(request, { pool, format })
    signal?.throwIfAborted()
    const manifest = await writeImage({ content, source, layers, annotations: request.annotations ?? {} })
    return { manifest, layers, format }
  } finally {
    await pool.close()
  }
}

/** A layer ends with its table on a single thread: the next one keeps the others busy. More at once only wait. */
const LAYERS_AT_ONCE = 2

interface Means {
  pool: CompressionPool
  format: BlobFormat | null
}

/** The first failure ends the others and is the one that is thrown. */
async function convertLayers(request: ImageRequest, means: Means): Promise<ConvertedLayer[]> {
  const failure = new AbortController()
  const signals = request.signal === undefined ? [failure.signal] : [request.signal, failure.signal]
  const signal = AbortSignal.any(signals)
  const converted: ConvertedLayer[] = []
  /** Of each digest the last layer begun: equal ones take turns, since they may become one blob. */
  const last = new Map<Digest, Promise<void>>()
  const inWork = new Set<number>()
  const onProgress = (progress: ConversionProgress) => {
    if (progress.layer === Math.min(...inWork)) request.onProgress?.(progress)
  }
  const waiting = largestFirst(request.layers).values()
  const convertNext = async (): Promise<void> => {
    for (const index of waiting) {
      const layer = request.layers[index] as OpenedLayer
      const { descriptor } = layer
      const work = (last.get(descriptor.digest) ?? Promise.resolve()).then(async () => {
        signal.throwIfAborted()
        try {
          await layer.ready?.(signal)
          inWork.add(index)
          converted[index] = await convertNth({ ...request, signal, onProgress }, index, means)
        } finally {
          // The next may need the room.
          await layer.close()
          inWork.delete(index)
        }
      })
      last.set(descriptor.digest, work)
      await work
    }
  }
  const threads = Array.from({ length: LAYERS_AT_ONCE }, () =>
    convertNext().catch((error: unknown) => {
      failure.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(threads)
  if (results.some(({ status }) => status === 'rejected')) throw signal.reason
  return converted
}

/** The table of the last one is compressed alone: it should be a small one. Where they are read meanwhile, it is in this order. */
function largestFirst(layers: readonly OpenedLayer[]): number[] {
  const sizeOf = (index: number) => layers[index]?.descriptor.size ?? 0
  return [...layers.keys()].sort((one, other) => sizeOf(other) - sizeOf(one))
}

async function convertNth(
  request: ImageRequest,
  index: number,
  { pool, format }: Means,
): Promise<ConvertedLayer> {
  const { content, signal, onProgress } = request
  const layer = request.layers[index] as OpenedLayer
  const wanted = request.prioritized === null ? null : (request.prioritized[index] ?? [])
  if (request.reuse && format !== null) {
    const kept = await reuseLayer({ from: request.from, content, layer, index, wanted, format })
    if (kept !== undefined) return kept
  }
  return await convertLayer({
    content,
    layer,
    index,
    prioritized: wanted ?? [],
    format,
    pool,
    ref: `convert-layer-${index}`,
    ...(signal === undefined ? {} : { signal }),
    onProgress: (doneBytes) =>
      onProgress?.({
        layer: index,
        layers: request.layers.length,
        doneBytes,
        totalBytes: layer.uncompressedBytes,
      }),
  })
}

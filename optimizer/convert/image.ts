/** All layers of an image converted, and the documents around them. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import { CompressionPool } from '../estargz/compression-pool.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { type SourceImage, writeDocuments } from './documents.ts'
import { type ConvertedLayer, convertLayer } from './layer.ts'
import { blobFormat, type ConversionOptions } from './options.ts'

export interface ImageRequest {
  content: ContentStore
  source: SourceImage
  /** One per layer of the manifest. */
  layers: readonly OpenedLayer[]
  /** For each layer of the manifest the paths to put first. */
  prioritized: readonly (readonly PathKey[])[]
  options: ConversionOptions
  signal?: AbortSignal
  onProgress?(progress: ConversionProgress): void
}

export interface ConversionProgress {
  /** The layer in work, 0 = lowest, and how many there are. */
  layer: number
  layers: number
  /** Uncompressed bytes of the layer. */
  doneBytes: number
  totalBytes: number
}

export interface ConvertedImage {
  /** An index where the source was one, else a manifest. */
  target: Descriptor
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
  const pool = new CompressionPool({ workers: options.workers })
  try {
    const layers: ConvertedLayer[] = []
    for (const index of request.layers.keys()) {
      signal?.throwIfAborted()
      layers.push(await convertNth(request, index, { pool, format }))
    }
    const documents = await writeDocuments({
      content,
      source,
      layers,
      ...(signal === undefined ? {} : { signal }),
    })
    return { ...documents, layers, format }
  } finally {
    await pool.close()
  }
}

async function convertNth(
  request: ImageRequest,
  index: number,
  { pool, format }: { pool: CompressionPool; format: BlobFormat | null },
): Promise<ConvertedLayer> {
  const { content, signal, onProgress } = request
  const layer = request.layers[index] as OpenedLayer
  return await convertLayer({
    content,
    layer,
    index,
    prioritized: request.prioritized[index] ?? [],
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

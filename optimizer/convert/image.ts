/** All layers of an image converted, and the config, manifest and index rewritten around them. */
import type { CompressionEngine } from '../../native/compression.ts'
import { CompressionPool } from '../estargz/compression-pool.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { ImageConfig, Index, Manifest } from '../image/manifest.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { type ConvertedLayer, convertLayer } from './layer.ts'
import type { ConversionOptions } from './options.ts'

export interface SourceImage {
  /** The index that the image's name points at, or null. */
  index: Index | null
  /** Of the manifest, as its index has it. */
  descriptor: Descriptor
  manifest: Manifest
  config: ImageConfig
}

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
  engine: CompressionEngine
}

/**
 * Writes the new image's blobs; giving it a name is the caller's. Equal layers are converted each by itself: they
 * may have been read differently.
 * @throws when anything fails, with no ingest left open
 */
export async function convertImage(request: ImageRequest): Promise<ConvertedImage> {
  const { content, source, options, signal } = request
  const pool = new CompressionPool({ level: options.compressionLevel, workers: options.workers })
  try {
    const layers: ConvertedLayer[] = []
    for (const index of request.layers.keys()) {
      signal?.throwIfAborted()
      layers.push(await convertNth(request, index, pool))
    }
    const config = await writeConfig(content, source, layers)
    const manifest = await writeManifest(content, source, config, layers)
    signal?.throwIfAborted()
    const target =
      source.index === null ? manifest : await writeIndex(content, source, source.index, manifest)
    return { target, manifest, layers, engine: pool.engine }
  } finally {
    await pool.close()
  }
}

async function convertNth(
  request: ImageRequest,
  index: number,
  pool: CompressionPool,
): Promise<ConvertedLayer> {
  const { content, options, signal, onProgress } = request
  const layer = request.layers[index] as OpenedLayer
  return await convertLayer({
    content,
    layer,
    index,
    prioritized: request.prioritized[index] ?? [],
    chunkBytes: options.chunkBytes,
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

/** Only the diff IDs are new; history, unknown fields and their order stay. */
async function writeConfig(
  content: ContentStore,
  { config }: SourceImage,
  layers: readonly ConvertedLayer[],
): Promise<Descriptor> {
  const rootfs = { ...config.rootfs, diff_ids: layers.map(({ diffId }) => diffId) }
  return await writeDocument(content, 'convert-config', MEDIA_TYPE.ociConfig, { ...config, rootfs }, {})
}

async function writeManifest(
  content: ContentStore,
  { manifest }: SourceImage,
  config: Descriptor,
  layers: readonly ConvertedLayer[],
): Promise<Descriptor> {
  const labels: Record<string, Digest> = { 'containerd.io/gc.ref.content.config': config.digest }
  for (const { index, target } of layers) labels[`containerd.io/gc.ref.content.l.${index}`] = target.digest
  const document: Manifest = {
    ...manifest,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: layers.map(({ target }) => target),
  }
  return await writeDocument(content, 'convert-manifest', MEDIA_TYPE.ociManifest, document, labels)
}

/** An index with the one manifest that was converted; platform and annotations stay. */
async function writeIndex(
  content: ContentStore,
  source: SourceImage,
  index: Index,
  manifest: Descriptor,
): Promise<Descriptor> {
  const { platform, annotations } = source.descriptor
  const child: Descriptor = {
    ...manifest,
    ...(platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
  }
  const document: Index = { ...index, mediaType: MEDIA_TYPE.ociIndex, manifests: [child] }
  const labels = { 'containerd.io/gc.ref.content.m.0': manifest.digest }
  return await writeDocument(content, 'convert-index', MEDIA_TYPE.ociIndex, document, labels)
}

async function writeDocument(
  content: ContentStore,
  ref: string,
  mediaType: string,
  document: object,
  labels: Record<string, string>,
): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document))
  const digest = digestOf(bytes)
  const writer = await content.writer(ref)
  try {
    await writer.write(bytes)
    await writer.commit({ digest, sizeBytes: bytes.length, labels })
  } catch (error) {
    await writer.abort()
    throw error
  }
  return { mediaType, digest, size: bytes.length }
}

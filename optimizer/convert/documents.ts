/** Config, manifest and index of a converted image: the source's, rewritten around the new layers. */
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { ImageConfig, Index, Manifest } from '../image/manifest.ts'
import type { ContentStore } from '../store/store.ts'
import type { ConvertedLayer } from './layer.ts'

export interface SourceImage {
  /** The index that the image's name points at, or null. */
  index: Index | null
  /** Of the manifest, as its index has it. */
  descriptor: Descriptor
  manifest: Manifest
  config: ImageConfig
}

export interface DocumentsRequest {
  content: ContentStore
  source: SourceImage
  layers: readonly ConvertedLayer[]
  signal?: AbortSignal
}

export interface WrittenDocuments {
  /** An index where the source was one, else a manifest. */
  target: Descriptor
  manifest: Descriptor
}

export async function writeDocuments(request: DocumentsRequest): Promise<WrittenDocuments> {
  const { content, source, layers, signal } = request
  const config = await writeConfig(content, source, layers)
  const manifest = await writeManifest(content, source, config, layers)
  signal?.throwIfAborted()
  const target = source.index === null ? manifest : await writeIndex(content, source, source.index, manifest)
  return { target, manifest }
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

/** Config, manifest and index of a converted image: the source's, rewritten around the new layers. */
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { type ImageConfig, type Index, type Manifest, parseManifest } from '../image/manifest.ts'
import { readDocument } from '../store/read-document.ts'
import { type Attestation, REFERENCE_DIGEST } from '../store/resolve.ts'
import type { ContentStore } from '../store/store.ts'
import { copyBlob } from './copy-blob.ts'
import type { ConvertedLayer } from './layer.ts'
import { writeBytes } from './write-bytes.ts'

/** Of the new manifest: what it was made from, and by what. */
export const SOURCE_ANNOTATION = 'dev.hotlayer.source.digest'
export const VERSION_ANNOTATION = 'dev.hotlayer.optimizer.version'

export interface SourceImage {
  /** Of the manifest, as its index has it. */
  descriptor: Descriptor
  manifest: Manifest
  config: ImageConfig
}

export interface DocumentsRequest {
  content: ContentStore
  source: SourceImage
  layers: readonly ConvertedLayer[]
  /** Of the manifest, over the source's. */
  annotations: Record<string, string>
}

/** Config and manifest. @returns the manifest's descriptor, with platform and annotations of the source's */
export async function writeImage(request: DocumentsRequest): Promise<Descriptor> {
  const config = await writeConfig(request)
  const written = await writeManifest(request, config)
  const { platform, annotations } = request.source.descriptor
  return {
    ...written,
    ...(platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

/** Only the diff IDs are new; history, unknown fields and their order stay. */
async function writeConfig({ content, source, layers }: DocumentsRequest): Promise<Descriptor> {
  const rootfs = { ...source.config.rootfs, diff_ids: layers.map(({ diffId }) => diffId) }
  return await writeDocument(content, MEDIA_TYPE.ociConfig, { ...source.config, rootfs }, {})
}

async function writeManifest(
  { content, source, layers, annotations }: DocumentsRequest,
  config: Descriptor,
): Promise<Descriptor> {
  const document: Manifest = {
    ...source.manifest,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: layers.map(({ target }) => target),
    annotations: { ...source.manifest.annotations, ...annotations },
  }
  return await writeDocument(content, MEDIA_TYPE.ociManifest, document, manifestLabels(document))
}

/** What keeps a manifest's blobs from containerd's garbage collector. */
function manifestLabels({ config, layers }: Manifest): Record<string, Digest> {
  const labels: Record<string, Digest> = { 'containerd.io/gc.ref.content.config': config.digest }
  for (const [index, { digest }] of layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = digest
  return labels
}

/** The source's index around new manifests, whose descriptors keep platform and annotations. */
export async function writeIndex(
  content: ContentStore,
  source: Index,
  manifests: readonly Descriptor[],
): Promise<Descriptor> {
  const document: Index = { ...source, mediaType: MEDIA_TYPE.ociIndex, manifests: [...manifests] }
  const labels: Record<string, Digest> = {}
  for (const [index, { digest }] of manifests.entries())
    labels[`containerd.io/gc.ref.content.m.${index}`] = digest
  return await writeDocument(content, MEDIA_TYPE.ociIndex, document, labels)
}

/**
 * An attestation beside the image it is about, byte for byte. What it says is still about the source; only the
 * reference in its descriptor follows the new manifest, so that clients find them together.
 */
export async function keepAttestation(
  from: ContentStore,
  to: ContentStore,
  { descriptor }: Attestation,
  about: Digest,
): Promise<Descriptor> {
  const where = `attestation ${descriptor.digest}`
  const manifest = parseManifest(await readDocument(from, descriptor, where), where)
  for (const blob of [manifest.config, ...manifest.layers]) await copyBlob(from, to, blob)
  await copyBlob(from, to, descriptor, manifestLabels(manifest))
  return { ...descriptor, annotations: { ...descriptor.annotations, [REFERENCE_DIGEST]: about } }
}

async function writeDocument(
  content: ContentStore,
  mediaType: string,
  document: object,
  labels: Record<string, string>,
): Promise<Descriptor> {
  return await writeBytes(content, { mediaType, bytes: Buffer.from(JSON.stringify(document)), labels })
}

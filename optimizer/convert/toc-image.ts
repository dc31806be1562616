/**
 * The image that carries the TOCs of an eStargz image that has none itself: one layer for each, told apart by the
 * digest of the layer it belongs to. A lazily pulling snapshotter looks for it in the same repository under the
 * image's tag + "-esgztoc", and takes the manifest of its platform.
 *
 * @see stargz-snapshotter, docs/smaller-estargz.md
 */
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import type { ImageConfig, Manifest } from '../image/manifest.ts'
import type { ContentStore } from '../store/store.ts'
import type { ConvertedLayer } from './layer.ts'
import { writeBytes } from './write-bytes.ts'

/** Of a TOC's descriptor: the layer that it is the TOC of. */
export const LAYER_DIGEST_ANNOTATION = 'containerd.io/snapshot/stargz/layer.digest'
export const TOC_IMAGE_SUFFIX = '-esgztoc'

/** Where a layer's TOC is when it is not in the layer. */
export interface TocLayer {
  /** As the TOC image's manifest has it. */
  descriptor: Descriptor
  /** Of the uncompressed tar around the TOC. */
  diffId: string
}

export interface TocImageRequest {
  content: ContentStore
  /** Of the image that the TOCs belong to. */
  config: ImageConfig
  /** With external TOCs all of them. */
  layers: readonly ConvertedLayer[]
}

/** Config and manifest for one platform. @returns the manifest's descriptor, without platform */
export async function writeTocImage(request: TocImageRequest): Promise<Descriptor> {
  const { content } = request
  const { architecture, os, variant } = request.config
  const tocs = request.layers.flatMap(({ externalToc }) => (externalToc === null ? [] : [externalToc]))
  const config = await writeBytes(content, {
    mediaType: MEDIA_TYPE.ociConfig,
    bytes: Buffer.from(
      JSON.stringify({
        architecture,
        os,
        variant,
        config: {},
        rootfs: { type: 'layers', diff_ids: tocs.map(({ diffId }) => diffId) },
      }),
    ),
  })
  const layers = tocs.map(({ descriptor }) => descriptor)
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': config.digest }
  for (const [index, { digest }] of layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = digest
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers }
  return await writeBytes(content, {
    mediaType: MEDIA_TYPE.ociManifest,
    bytes: Buffer.from(JSON.stringify(manifest)),
    labels,
  })
}

/** The layer of a TOC image's manifest that is the TOC of `layer`. */
export function tocLayerOf({ layers }: Pick<Manifest, 'layers'>, layer: Digest): Descriptor | undefined {
  return layers.find(({ annotations }) => annotations?.[LAYER_DIGEST_ANNOTATION] === layer)
}

/** The TOC of one layer. */
export async function writeTocLayer(
  content: ContentStore,
  { layer, toc }: { layer: string; toc: { bytes: Buffer; diffId: string } },
): Promise<TocLayer> {
  const blob = await writeBytes(content, {
    // Different layers may have the same TOC, and are written at the same time.
    ref: `convert-toc-of-${layer.slice('sha256:'.length)}`,
    mediaType: MEDIA_TYPE.ociLayerGzip,
    bytes: toc.bytes,
    labels: { 'containerd.io/uncompressed': toc.diffId },
  })
  const annotations = { [LAYER_DIGEST_ANNOTATION]: layer }
  return { descriptor: { ...blob, annotations }, diffId: toc.diffId }
}

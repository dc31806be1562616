/** What an image's layers are read from, and what is needed for it. */
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import type { Stages } from './stages.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { GzipHelper } from './tar/gzip-helper.ts'
import type { LayerBlob } from './tar/layer.ts'
import type { SpoolSpace } from './tar/spool-space.ts'

export interface OpenRequest {
  content: ContentStore
  image: ResolvedImage
  /** What decompresses gzip in place of what is built in. */
  gzipHelper?: GzipHelper
  signal: AbortSignal
  stages: Stages
  space?: SpoolSpace
}

export interface SpoolRequest extends OpenRequest {
  space: SpoolSpace
}

/** @param index position in the manifest, 0 = lowest */
export function layerBlob(
  { content, image, gzipHelper, space }: OpenRequest,
  index: number,
  signal: AbortSignal,
): LayerBlob {
  const descriptor = image.manifest.layers[index] as Descriptor
  return {
    blob: content.read(descriptor.digest, { signal, ...(space === undefined ? {} : { space }) }),
    descriptor,
    diffId: image.config.rootfs.diff_ids[index] as Digest,
    ...(gzipHelper === undefined ? {} : { gzipHelper }),
    signal,
  }
}

/** Positions, the largest layer's first: one that is begun last would be inflated alone, on one thread. */
export function largestFirst({ manifest: { layers } }: ResolvedImage): number[] {
  const sizeOf = (index: number) => layers[index]?.size ?? 0
  return [...layers.keys()].sort((one, other) => sizeOf(other) - sizeOf(one))
}

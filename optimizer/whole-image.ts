/** An image of one platform with all its blobs, and what is in its layers, for commands that look into them. */
import type { Console } from './console.ts'
import type { ImageLocation } from './image/location.ts'
import { requireReadableLayer } from './image/manifest.ts'
import type { Platform } from './image/platform.ts'
import { indexLayers, withOpenLayers } from './open-layers.ts'
import { type ContainerdPlace, withSource } from './open-stores.ts'
import { requireSpoolSpace } from './spool-need.ts'
import { Stages } from './stages.ts'
import { requireBlobs } from './store/missing.ts'
import { type ResolvedImage, resolveImages } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { IndexedLayer, OpenedLayer } from './tar/layer.ts'
import type { SpoolSpace } from './tar/spool-space.ts'

export interface ImageOpening {
  containerd: ContainerdPlace
  /** For uncompressed layers; of this run alone. */
  space: SpoolSpace
}

export interface OpeningContext {
  console: Console
  signal: AbortSignal
}

export interface Opening {
  content: ContentStore
  /** What is in the layers. */
  indexed(): Promise<IndexedLayer[]>
  /** The same, with their bytes until `use` is done. */
  opened<T>(use: (layers: OpenedLayer[]) => Promise<T>): Promise<T>
}

/** @throws {CodedError} the image is not there, or not whole */
export async function withWholeImage<T>(
  { containerd, space }: ImageOpening,
  location: ImageLocation,
  platform: Platform,
  { console: log, signal }: OpeningContext,
  use: (image: ResolvedImage, open: Opening) => Promise<T>,
): Promise<T> {
  const stages = new Stages(log)
  return await withSource(location, { ...containerd, signal, log }, async (stores) => {
    const { content, images, name, label } = stores
    const image = await stages.run('resolve', label, async () => {
      const resolved = await resolveImages(images, content, name, [platform])
      await requireBlobs(stores, resolved)
      return resolved.images[0] as ResolvedImage
    })
    for (const [index, layer] of image.manifest.layers.entries()) requireReadableLayer(layer, index)
    const opening = { content, image, signal, stages }
    return await use(image, {
      content,
      indexed: () => indexLayers(opening),
      opened: async (body) => {
        await requireSpoolSpace(content, [image], space)
        return await withOpenLayers({ ...opening, space }, body)
      },
    })
  })
}

/** Images with all their blobs, and what is in their layers, for commands that look into them. */
import type { Console } from './console.ts'
import type { ImageLocation } from './image/location.ts'
import { requireReadableLayer } from './image/manifest.ts'
import type { Platform } from './image/platform.ts'
import { indexLayers, withOpenLayers } from './open-layers.ts'
import { type ContainerdPlace, withSource } from './open-stores.ts'
import { requireSpoolSpace } from './spool-need.ts'
import { Stages } from './stages.ts'
import { requireBlobs } from './store/missing.ts'
import { type PlatformSelection, type ResolvedImage, resolveImages } from './store/resolve.ts'
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

export interface WholeImage {
  image: ResolvedImage
  open: Opening
}

/** Of one platform. @throws as {@link withWholeImages} */
export async function withWholeImage<T>(
  request: ImageOpening,
  location: ImageLocation,
  platform: Platform,
  context: OpeningContext,
  use: (image: ResolvedImage, open: Opening) => Promise<T>,
): Promise<T> {
  return await withWholeImages(request, location, [platform], context, ([first]) => {
    const { image, open } = first as WholeImage
    return use(image, open)
  })
}

/**
 * @param use is handed at least one, in the order of the index
 * @throws {CodedError} the image is not there, or not whole
 */
export async function withWholeImages<T>(
  { containerd, space }: ImageOpening,
  location: ImageLocation,
  platforms: PlatformSelection,
  { console: log, signal }: OpeningContext,
  use: (images: WholeImage[]) => Promise<T>,
): Promise<T> {
  const stages = new Stages(log)
  return await withSource(location, { ...containerd, signal, log }, async (stores) => {
    const { content, images, name, label } = stores
    const resolved = await stages.run('resolve', label, async () => {
      const found = await resolveImages(images, content, name, platforms)
      await requireBlobs(stores, found)
      return found.images
    })
    for (const { manifest } of resolved)
      for (const [index, layer] of manifest.layers.entries()) requireReadableLayer(layer, index)
    return await use(
      resolved.map((image) => {
        const opening = { content, image, signal, stages }
        const opened: Opening['opened'] = async (body) => {
          await requireSpoolSpace(content, [image], space)
          return await withOpenLayers({ ...opening, space }, body)
        }
        return { image, open: { content, indexed: () => indexLayers(opening), opened } }
      }),
    )
  })
}

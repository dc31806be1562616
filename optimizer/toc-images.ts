/** Where layers have their TOCs not inside: the image of all of them, one manifest for each platform of the image. */
import { NotFoundError } from '../shared/errors.ts'
import type { ConvertedPlatform } from './conversion.ts'
import { writeIndex } from './convert/documents.ts'
import { TOC_IMAGE_SUFFIX, writeTocImage } from './convert/toc-image.ts'
import { type Descriptor, MEDIA_TYPE } from './image/descriptor.ts'
import type { ImageLocation } from './image/location.ts'
import type { Index } from './image/manifest.ts'
import { formatReference } from './image/reference.ts'
import type { FindTocs } from './inspect.ts'
import type { OpenStores } from './open-stores.ts'
import { type ResolvedImage, resolveImage } from './store/resolve.ts'
import type { StoredImage } from './store/store.ts'

/** An image that is written and has no name yet. */
export interface TocImage {
  name: string
  /** As a person writes it. */
  label: string
  target: Descriptor
}

/**
 * @param reference its name in the target's store, or null for the target's name + "-esgztoc"
 * @returns null where every TOC is in its layer
 */
export async function writeTocImages(
  { content, name, label }: Pick<OpenStores, 'content' | 'name' | 'label'>,
  platforms: readonly ConvertedPlatform<unknown>[],
  { hasIndex, reference }: { hasIndex: boolean; reference: string | null },
): Promise<TocImage | null> {
  const external = platforms.some(({ converted }) =>
    converted.layers.some(({ externalToc }) => externalToc !== null),
  )
  if (!external) return null
  const manifests: Descriptor[] = []
  for (const { source, converted } of platforms) {
    const { config, platform } = source
    const manifest = await writeTocImage({ content, config, layers: converted.layers })
    manifests.push(hasIndex ? { ...manifest, platform } : manifest)
  }
  const index: Index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }
  return {
    name: reference ?? `${name}${TOC_IMAGE_SUFFIX}`,
    label: reference ?? `${label}${TOC_IMAGE_SUFFIX}`,
    target: hasIndex ? await writeIndex(content, index, manifests) : (manifests[0] as Descriptor),
  }
}

export interface FoundTocImage extends StoredImage {
  /** What its store finds it by; its name is for people. */
  asked: string
}

/**
 * The image that may hold the TOCs of an image that is there.
 * @param image as its store has it
 * @param reference its name, or null for that which a conversion gives it
 * @returns null where it has the usual name and is not there
 * @throws {NotFoundError} there is none of this name
 */
export async function findTocImage(
  { images }: Pick<OpenStores, 'images'>,
  location: ImageLocation,
  image: StoredImage,
  reference: string | null,
): Promise<FoundTocImage | null> {
  const asked = reference ?? usualName(location, image)
  if (asked === null) return null
  try {
    return { ...(await images.find(asked)), asked }
  } catch (error) {
    if (reference === null && error instanceof NotFoundError) return null
    throw error
  }
}

/** What is asked for the TOCs of an image's layers that have them not inside; looked for once. */
export function tocFinder(
  stores: Pick<OpenStores, 'images' | 'content'>,
  location: ImageLocation,
  image: ResolvedImage,
  reference: string | null,
): FindTocs {
  const find = async () => {
    const stored = { name: image.name, target: image.root, labels: {} }
    const found = await findTocImage(stores, location, stored, reference)
    if (found === null) return null
    return await resolveImage(stores.images, stores.content, found.asked, image.platform)
  }
  let finding: ReturnType<FindTocs> | undefined
  return async () => {
    finding ??= find()
    return await finding
  }
}

function usualName(location: ImageLocation, { name }: StoredImage): string | null {
  if (location.kind === 'containerd') return `${name}${TOC_IMAGE_SUFFIX}`
  if (location.kind === 'docker') {
    const { tag } = location.reference
    return tag === null
      ? null
      : formatReference({ ...location.reference, tag: `${tag}${TOC_IMAGE_SUFFIX}`, digest: null })
  }
  const { reference } = location
  return reference !== null && 'tag' in reference ? `${reference.tag}${TOC_IMAGE_SUFFIX}` : null
}

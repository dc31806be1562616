/** Blobs that an image names and its store lacks: told all at once, before any work is done. */
import { NotFoundError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { parseManifest } from '../image/manifest.ts'
import { formatPlatform, type Platform } from '../image/platform.ts'
import { readDocument } from './read-document.ts'
import type { Attestation, ResolvedImage, ResolvedImages } from './resolve.ts'
import type { ContentStore, ImageStore } from './store.ts'

export interface MissingBlob {
  digest: Digest
  /** `layer 3`, `config`, … */
  what: string
  /** null where it is not known of which platform it is. */
  platform: Platform | null
}

/** How many are named; the number of the others is told. */
const NAMED_MAX = 20

interface Stores {
  content: ContentStore
  images: Pick<ImageStore, 'howToFetch'>
}

/** Every document and layer of the images. @throws {NotFoundError} naming each that is missing, and how to get it */
export async function requireBlobs(
  stores: Stores,
  resolved: Pick<ResolvedImages, 'name' | 'images' | 'missing'>,
  attestations: readonly Attestation[] = [],
): Promise<void> {
  const missing = [...resolved.missing]
  for (const image of resolved.images) missing.push(...(await missingLayers(stores.content, image)))
  for (const attestation of attestations) missing.push(...(await missingOf(stores.content, attestation)))
  requireNone(stores.images, resolved.name, missing)
}

/** @throws {NotFoundError} */
export function requireNone(
  images: Pick<ImageStore, 'howToFetch'>,
  name: string,
  missing: readonly MissingBlob[],
): void {
  if (missing.length === 0) return
  const named = missing.slice(0, NAMED_MAX).map(({ what, digest, platform }) => {
    const of = platform === null ? '' : ` for ${formatPlatform(platform)}`
    return `${what} (${digest})${of}`
  })
  const rest = missing.length > NAMED_MAX ? ` and ${missing.length - NAMED_MAX} more` : ''
  const platforms = [
    ...new Set(missing.flatMap(({ platform }) => (platform ? formatPlatform(platform) : []))),
  ]
  throw new NotFoundError(
    `${name} is not whole in this store, it lacks ${named.join(', ')}${rest}: ${images.howToFetch(name, platforms)}`,
  )
}

async function missingLayers(content: ContentStore, image: ResolvedImage): Promise<MissingBlob[]> {
  const { layers } = image.manifest
  // A registry is asked for all of them at once.
  const present = await Promise.all(layers.map(({ digest }) => isPresent(content, digest)))
  return layers.flatMap(({ digest }, index) =>
    present[index] ? [] : [{ digest, what: `layer ${index}`, platform: image.platform }],
  )
}

async function missingOf(content: ContentStore, { descriptor }: Attestation): Promise<MissingBlob[]> {
  const lacks = ({ digest }: Descriptor): MissingBlob => ({ digest, what: 'attestation', platform: null })
  if (!(await isPresent(content, descriptor.digest))) return [lacks(descriptor)]
  const where = `attestation ${descriptor.digest}`
  const { config, layers } = parseManifest(await readDocument(content, descriptor, where), where)
  const missing: MissingBlob[] = []
  for (const blob of [config, ...layers])
    if (!(await isPresent(content, blob.digest))) missing.push(lacks(blob))
  return missing
}

async function isPresent(content: ContentStore, digest: Digest): Promise<boolean> {
  try {
    await content.info(digest)
    return true
  } catch (error) {
    if (error instanceof NotFoundError) return false
    throw error
  }
}

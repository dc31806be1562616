/** A name to the manifests and configs of the platforms asked for, every document checked against its digest. */
import { NotFoundError, PreconditionError } from '../../shared/errors.ts'
import { type Descriptor, isIndexType, MEDIA_TYPE } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import {
  DocumentError,
  documentKind,
  type ImageConfig,
  INDEX_DEPTH_MAX,
  type Index,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../image/manifest.ts'
import { formatPlatform, type Platform, platformMatches } from '../image/platform.ts'
import { type MissingBlob, requireNone } from './missing.ts'
import { readDocument } from './read-document.ts'
import type { ContentStore, ImageStore } from './store.ts'

/** @see docs.docker.com/build/metadata/attestations/attestation-storage */
const REFERENCE_TYPE = 'vnd.docker.reference.type'
/** Of an attestation's descriptor: the manifest that it is about. */
export const REFERENCE_DIGEST = 'vnd.docker.reference.digest'

export type PlatformSelection = readonly Platform[] | 'all'

export interface ResolvedImage {
  /** The name as the store has it. */
  name: string
  /** What the name points at. */
  root: Descriptor
  /** The outermost index, when the name points at one. */
  index: Index | null
  /** Descriptor of `manifest`, as its index has it. */
  descriptor: Descriptor
  manifest: Manifest
  config: ImageConfig
  platform: Platform
}

export interface ResolvedImages {
  name: string
  root: Descriptor
  index: Index | null
  /** In the order of the index, at least one unless `missing` says why not. */
  images: ResolvedImage[]
  /** Of these images. */
  attestations: Attestation[]
  /** Every other manifest of the index. */
  leftOut: Descriptor[]
  /** Documents that are not in the store. */
  missing: MissingBlob[]
}

/** What somebody attests of one of the images (SBOM, provenance): a manifest beside theirs. */
export interface Attestation {
  descriptor: Descriptor
  /** Manifest of the image that it is about. */
  of: Digest
}

/**
 * @param name as typed: looked up exactly, then as docker would complete it
 * @throws {NotFoundError} the image, or a document of it
 * @throws {PreconditionError} PLATFORM_NOT_IN_IMAGE
 */
export async function resolveImage(
  images: ImageStore,
  content: ContentStore,
  name: string,
  platform: Platform,
): Promise<ResolvedImage> {
  const resolved = await resolveImages(images, content, name, [platform])
  requireNone(images, resolved.name, resolved.missing)
  return resolved.images[0] as ResolvedImage
}

/**
 * @throws {NotFoundError} no such image
 * @throws {PreconditionError} PLATFORM_NOT_IN_IMAGE
 */
export async function resolveImages(
  images: ImageStore,
  content: ContentStore,
  name: string,
  selection: PlatformSelection,
): Promise<ResolvedImages> {
  const stored = await images.find(name)
  const missing: MissingBlob[] = []
  const { index, manifests } = await walkIndex({ content, missing, selection }, stored.target, 0)
  const source = { name: stored.name, root: stored.target, index }
  const candidates = manifests.filter((item) => attestationOf(item) === undefined)
  const loader = new Loader(content, source, missing)
  const chosen = selection === 'all' ? candidates : await loader.choose(candidates, selection)
  const found: ResolvedImage[] = []
  for (const item of candidates) {
    const image = chosen.includes(item) ? await loader.load(item) : undefined
    if (image !== undefined) found.push(image)
  }
  if (found.length === 0 && missing.length === 0)
    throw new DocumentError(
      'DOCUMENT_INVALID',
      `${stored.name} holds no image, only manifests of something else`,
    )
  const about = new Set(found.map(({ descriptor }) => descriptor.digest))
  const attestations = manifests.flatMap((descriptor) => {
    const of = attestationOf(descriptor)
    return of !== undefined && about.has(of) ? { descriptor, of } : []
  })
  const kept = new Set([...found, ...attestations].map(({ descriptor }) => descriptor))
  return {
    ...source,
    images: found,
    attestations,
    leftOut: manifests.filter((item) => !kept.has(item)),
    missing,
  }
}

function attestationOf({ annotations }: Descriptor): Digest | undefined {
  if (annotations?.[REFERENCE_TYPE] !== 'attestation-manifest') return undefined
  return annotations[REFERENCE_DIGEST] as Digest | undefined
}

interface Walk {
  content: ContentStore
  missing: MissingBlob[]
  selection: PlatformSelection
}

/** Manifests that an index points at, also through other indexes; the manifest itself where there is no index. */
async function walkIndex(
  walk: Walk,
  descriptor: Descriptor,
  depth: number,
): Promise<{ index: Index | null; manifests: Descriptor[] }> {
  const bytes = await readPresent(walk, descriptor, isIndexType(descriptor.mediaType) ? 'index' : 'manifest')
  if (bytes === undefined || documentKind(descriptor, bytes) === 'manifest')
    return { index: null, manifests: bytes === undefined ? [] : [descriptor] }
  if (depth === INDEX_DEPTH_MAX) {
    const what = `index ${descriptor.digest} is nested deeper than ${INDEX_DEPTH_MAX}`
    throw new DocumentError('DOCUMENT_INVALID', what)
  }
  const index = parseIndex(bytes, `index ${descriptor.digest}`)
  const manifests: Descriptor[] = []
  for (const child of index.manifests) {
    const inner = isIndexType(child.mediaType) && isWanted(walk.selection, child)
    if (inner) manifests.push(...(await walkIndex(walk, child, depth + 1)).manifests)
    else manifests.push(child)
  }
  return { index, manifests }
}

function isWanted(selection: PlatformSelection, { platform }: Descriptor): boolean {
  return (
    selection === 'all' || platform === undefined || selection.some((one) => platformMatches(one, platform))
  )
}

async function readPresent(
  { content, missing }: Pick<Walk, 'content' | 'missing'>,
  descriptor: Descriptor,
  what: string,
): Promise<Buffer | undefined> {
  try {
    return await readDocument(content, descriptor, `${what} ${descriptor.digest}`)
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    const known = missing.some(({ digest }) => digest === descriptor.digest)
    if (!known) missing.push({ digest: descriptor.digest, what, platform: descriptor.platform ?? null })
    return undefined
  }
}

class Loader {
  readonly #content: ContentStore
  readonly #source: Pick<ResolvedImages, 'name' | 'root' | 'index'>
  readonly #missing: MissingBlob[]

  constructor(
    content: ContentStore,
    source: Pick<ResolvedImages, 'name' | 'root' | 'index'>,
    missing: MissingBlob[],
  ) {
    this.#content = content
    this.#source = source
    this.#missing = missing
  }

  /** For each platform its first manifest; where the index does not say, the config does. */
  async choose(candidates: readonly Descriptor[], wanted: readonly Platform[]): Promise<Descriptor[]> {
    const chosen: Descriptor[] = []
    for (const platform of wanted) {
      const named = candidates.find(
        (item) => item.platform !== undefined && platformMatches(platform, item.platform),
      )
      const found = named ?? (await this.#chooseUnnamed(candidates, platform))
      if (found !== undefined) chosen.push(found)
      else if (this.#missing.length === 0) throw await this.#wrongPlatform(candidates, platform)
    }
    return chosen
  }

  async #chooseUnnamed(candidates: readonly Descriptor[], wanted: Platform): Promise<Descriptor | undefined> {
    for (const item of candidates) {
      const image = item.platform === undefined ? await this.load(item) : undefined
      if (image !== undefined && platformMatches(wanted, image.platform)) return item
    }
    return undefined
  }

  /** undefined where a document is missing, and for a manifest of something else than an image. */
  async load(descriptor: Descriptor): Promise<ResolvedImage | undefined> {
    const reading = { content: this.#content, missing: this.#missing }
    const bytes = await readPresent(reading, descriptor, 'manifest')
    if (bytes === undefined) return undefined
    const manifest = parseManifest(bytes, `manifest ${descriptor.digest}`)
    const isImage = [MEDIA_TYPE.ociConfig, MEDIA_TYPE.dockerConfig].some(
      (type) => type === manifest.config.mediaType,
    )
    if (!isImage) return undefined
    const { platform: stated } = descriptor
    const configDescriptor = stated === undefined ? manifest.config : { ...manifest.config, platform: stated }
    const configBytes = await readPresent(reading, configDescriptor, 'config')
    if (configBytes === undefined) return undefined
    const config = parseConfig(configBytes, `config ${manifest.config.digest}`)
    requireDiffIds(this.#source.name, config, manifest)
    const platform = platformOf(config, stated)
    if (stated !== undefined && !platformMatches(stated, platform))
      throw wrongPlatform(this.#source.name, stated, [platform])
    return { ...this.#source, descriptor, manifest, config, platform }
  }

  async #wrongPlatform(candidates: readonly Descriptor[], wanted: Platform): Promise<PreconditionError> {
    const offered: Platform[] = []
    for (const item of candidates) {
      const platform = item.platform ?? (await this.load(item))?.platform
      if (platform !== undefined) offered.push(platform)
    }
    return wrongPlatform(this.#source.name, wanted, offered)
  }
}

function requireDiffIds(name: string, config: ImageConfig, manifest: Manifest): void {
  const { diff_ids: ids } = config.rootfs
  if (ids.length === manifest.layers.length) return
  throw new DocumentError(
    'DOCUMENT_INVALID',
    `${name}: the config has ${ids.length} diff IDs for ${manifest.layers.length} layers`,
  )
}

/** Of the config; a variant that it does not have is the index's. */
function platformOf({ os, architecture, variant }: ImageConfig, stated: Platform | undefined): Platform {
  const known = variant || stated?.variant
  return known === undefined || known === '' ? { os, architecture } : { os, architecture, variant: known }
}

function wrongPlatform(name: string, wanted: Platform, offered: readonly Platform[]): PreconditionError {
  const names = [...new Set(offered.map(formatPlatform))].join(', ') || 'no named platform'
  return new PreconditionError(
    'PLATFORM_NOT_IN_IMAGE',
    `${name} has nothing for ${formatPlatform(wanted)}, it offers ${names}: choose one with --platform, or pull the ` +
      'image for this one',
  )
}

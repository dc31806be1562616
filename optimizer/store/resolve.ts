/** A name to the manifest and config of one platform, every document checked against its digest. */
import { NotFoundError, PreconditionError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import { digestOf } from '../image/digest.ts'
import {
  DOCUMENT_BYTES_MAX,
  DocumentError,
  documentKind,
  type ImageConfig,
  type Index,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../image/manifest.ts'
import { formatPlatform, type Platform, platformMatches } from '../image/platform.ts'
import type { ContentStore, ImageStore } from './store.ts'

/** An index may point at an index; deeper nesting than this is refused. */
const INDEX_DEPTH_MAX = 4

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

/**
 * @param name as typed: looked up exactly, then as docker would complete it
 * @throws {NotFoundError} IMAGE not in the store, or a document of it
 * @throws {PreconditionError} PLATFORM_NOT_IN_IMAGE
 */
export async function resolveImage(
  images: ImageStore,
  content: ContentStore,
  name: string,
  platform: Platform,
): Promise<ResolvedImage> {
  const stored = await images.find(name)
  const chosen = await chooseManifest(content, stored.target, platform, 0)
  const config = parseConfig(
    await readDocument(content, chosen.manifest.config, `the config of ${stored.name}`),
    `config ${chosen.manifest.config.digest}`,
  )
  if (config.rootfs.diff_ids.length !== chosen.manifest.layers.length) {
    throw new DocumentError(
      'DOCUMENT_INVALID',
      `${stored.name}: the config has ${config.rootfs.diff_ids.length} diff IDs for ${chosen.manifest.layers.length} layers`,
    )
  }
  const offered = platformOf(config)
  if (!platformMatches(platform, offered))
    throw wrongPlatform(stored.name, platform, [formatPlatform(offered)])
  return { name: stored.name, root: stored.target, ...chosen, config, platform: offered }
}

function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant } = config
  return variant === undefined || variant === '' ? { os, architecture } : { os, architecture, variant }
}

interface ChosenManifest {
  index: Index | null
  descriptor: Descriptor
  manifest: Manifest
}

async function chooseManifest(
  content: ContentStore,
  descriptor: Descriptor,
  platform: Platform,
  depth: number,
): Promise<ChosenManifest> {
  const bytes = await readDocument(content, descriptor, `document ${descriptor.digest}`)
  if (documentKind(descriptor, bytes) === 'manifest') {
    return { index: null, descriptor, manifest: parseManifest(bytes, `manifest ${descriptor.digest}`) }
  }
  if (depth === INDEX_DEPTH_MAX) {
    throw new DocumentError(
      'DOCUMENT_INVALID',
      `index ${descriptor.digest} is nested deeper than ${INDEX_DEPTH_MAX}`,
    )
  }
  const index = parseIndex(bytes, `index ${descriptor.digest}`)
  const child = index.manifests.find(
    (item) => item.platform !== undefined && platformMatches(platform, item.platform),
  )
  const only =
    index.manifests.length === 1 && index.manifests[0]?.platform === undefined
      ? index.manifests[0]
      : undefined
  const next = child ?? only
  if (next === undefined) {
    throw wrongPlatform(
      descriptor.digest,
      platform,
      index.manifests.flatMap((item) => (item.platform === undefined ? [] : [formatPlatform(item.platform)])),
    )
  }
  return { ...(await chooseManifest(content, next, platform, depth + 1)), index }
}

function wrongPlatform(name: string, platform: Platform, offered: string[]): PreconditionError {
  return new PreconditionError(
    'PLATFORM_NOT_IN_IMAGE',
    `${name} has nothing for ${formatPlatform(platform)}, it offers ${[...new Set(offered)].join(', ') || 'no named platform'}: ` +
      'choose one with --platform, or pull the image for this one',
  )
}

/**
 * Every layer's blob is in the store: known before a workload runs for nothing.
 * @throws {NotFoundError} naming the layer
 */
export async function requireLayers(content: ContentStore, image: ResolvedImage): Promise<void> {
  for (const [index, layer] of image.manifest.layers.entries()) {
    try {
      await content.info(layer.digest)
    } catch (cause) {
      if (!(cause instanceof NotFoundError)) throw cause
      throw new NotFoundError(
        `layer ${index} (${layer.digest}) of ${image.name} is not in the content store: pull the image for ` +
          `${formatPlatform(image.platform)} again (a containerd that discards unpacked layers keeps none)`,
        { cause },
      )
    }
  }
}

/** A small blob, whole, checked. @throws {DocumentError} DOCUMENT_TOO_LARGE, DOCUMENT_CORRUPT */
export async function readDocument(
  content: ContentStore,
  descriptor: Descriptor,
  where: string,
): Promise<Buffer> {
  if (descriptor.size > DOCUMENT_BYTES_MAX) {
    throw new DocumentError(
      'DOCUMENT_TOO_LARGE',
      `${where} is said to have ${descriptor.size} bytes, at most ${DOCUMENT_BYTES_MAX} are read`,
    )
  }
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of content.read(descriptor.digest)) {
    pieces.push(piece)
    sizeBytes += piece.length
    if (sizeBytes > descriptor.size) break
  }
  const bytes = Buffer.concat(pieces)
  if (sizeBytes !== descriptor.size || digestOf(bytes) !== descriptor.digest) {
    throw new DocumentError(
      'DOCUMENT_CORRUPT',
      `${where} does not match its descriptor (${descriptor.digest}, ${descriptor.size} bytes): fetch the image again`,
    )
  }
  return bytes
}

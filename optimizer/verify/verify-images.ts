/** Two images, all platforms: the same file systems, and a target whose documents and formats hold what they say. */
import { NotFoundError, PreconditionError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { formatPlatform, type Platform, platformMatches } from '../image/platform.ts'
import type { ContentStore } from '../store/store.ts'
import { checkIndexLabels, checkLabels } from './check-labels.ts'
import { compareDocuments, compareIndexes } from './compare-documents.ts'
import { Differences, type Findings } from './difference.ts'
import { type LoadedImage, loadImage, type PlatformImage } from './load-image.ts'
import { compareTrees, MergedTree } from './merged-tree.ts'
import {
  VERIFICATION_SCHEMA_VERSION,
  type Verification,
  type VerifiedLayerResult,
  type VerifiedPlatform,
} from './result.ts'
import { type TocImageSide, TocLayers } from './toc-layers.ts'
import { type LayerSide, type VerifiedLayer, verifyLayer } from './verify-layer.ts'

export interface ImageSide {
  /** For people. */
  name: string
  /** What the name points at, or will. */
  root: Descriptor
  content: ContentStore
}

export interface VerifyRequest {
  source: ImageSide
  target: ImageSide
  /** null: every platform that the target has. */
  platforms: readonly Platform[] | null
  /** The target must have every platform of the source. */
  allPlatforms: boolean
  /** The target's store keeps alive what labels name: they are checked too. */
  gcLabels: boolean
  /** Where the target's layers may have their TOCs, in the target's store. */
  tocImage?: TocImageSide | null
  /** Of every manifest of the target: what was to be set, in place of the source's. */
  annotations?: Record<string, string>
  differencesMax: number
  signal?: AbortSignal
  onProgress?(progress: VerifyProgress): void
}

export interface VerifyProgress {
  platform: string
  /** The layer in work, 0 = lowest, and how many there are. */
  layer: number
  layers: number
}

/**
 * Reads both images once, unpacks nothing, changes nothing. What is wrong with the target is in the result.
 * @throws {PreconditionError} what is wrong with the source
 */
export async function verifyImages(request: VerifyRequest): Promise<Verification> {
  return await new Verifying(request).run()
}

class Verifying {
  readonly #request: VerifyRequest
  readonly #differences: Differences

  constructor(request: VerifyRequest) {
    this.#request = request
    this.#differences = new Differences(request.differencesMax)
  }

  async run(): Promise<Verification> {
    const { source, target, platforms, gcLabels } = this.#request
    const findings = this.#differences.at(null, null)
    const wanted = (platform: Platform | undefined) =>
      platforms === null ||
      platform === undefined ||
      platforms.some((choice) => platformMatches(choice, platform))
    const after = await loadImage(target.content, target.root, wanted, findings)
    const named = namedPlatforms(after)
    const before = await loadImage(
      source.content,
      source.root,
      (platform) => platform === undefined || named.some((other) => platformMatches(platform, other)),
      strictFindings(source.name),
    )
    compareIndexes(before.index, after.index, findings)
    if (gcLabels) await checkIndexLabels(target.content, after, findings)
    const verified: VerifiedPlatform[] = []
    for (const [left, right] of this.#pairs(before, after, findings))
      verified.push(await this.#verifyPlatform(left, right))
    // Without a word about it, nothing compared would count as equal.
    if (verified.length === 0) findings.add('PLATFORM_MISSING', null, 'no image of both could be compared')
    return this.#result(verified, leftOut(before, named))
  }

  /** Images of the same platform; a single image on each side belongs together whatever it says. */
  #pairs(before: LoadedImage, after: LoadedImage, findings: Findings): [PlatformImage, PlatformImage][] {
    const { platforms, allPlatforms } = this.#request
    const missing = (platform: string, where: string) =>
      findings.add('PLATFORM_MISSING', null, `${platform} is not in the ${where}`)
    const only = before.index === null && after.index === null
    const pairs = after.images.flatMap((right): [PlatformImage, PlatformImage][] => {
      const left = only ? before.images[0] : findPlatform(before.images, right.platform)
      if (left === undefined) missing(formatPlatform(right.platform), 'source')
      return left === undefined ? [] : [[left, right]]
    })
    for (const platform of platforms ?? []) {
      if (!after.images.some((image) => platformMatches(platform, image.platform)))
        missing(formatPlatform(platform), 'target')
    }
    if (allPlatforms)
      for (const platform of leftOut(before, namedPlatforms(after))) missing(platform, 'target')
    return pairs
  }

  async #verifyPlatform(source: PlatformImage, target: PlatformImage): Promise<VerifiedPlatform> {
    const platform = formatPlatform(target.platform)
    const findings = this.#differences.at(platform, null)
    compareDocuments(source, target, this.#request.annotations ?? {}, findings)
    if (this.#request.gcLabels) await checkLabels(this.#request.target.content, target, findings)
    const trees = { source: new MergedTree(), target: new MergedTree() }
    const layers: VerifiedLayerResult[] = []
    const fingerprints: { source: string; target: string }[] = []
    const { gcLabels, tocImage: image = null } = this.#request
    const { content } = this.#request.target
    const tocs = new TocLayers({ content, image, platform: target.platform, gcLabels }, findings)
    let isWhole = source.manifest.layers.length === target.manifest.layers.length
    const count = Math.min(source.manifest.layers.length, target.manifest.layers.length)
    for (let index = 0; index < count; index++) {
      this.#request.onProgress?.({ platform, layer: index, layers: count })
      const layer = await verifyLayer(
        layerSide(this.#request.source.content, source, index),
        { ...layerSide(content, target, index), tocs },
        this.#differences.at(platform, index),
        this.#request.signal,
      )
      trees.source.apply(layer.source)
      if (layer.target === undefined) isWhole = false
      else trees.target.apply(layer.target)
      const { sourceFingerprint = '', targetFingerprint = '' } = layer.comparison ?? {}
      fingerprints.push({ source: sourceFingerprint, target: targetFingerprint })
      layers.push(layerResult(layer, index, target.manifest.layers[index]?.digest as Digest))
    }
    tocs.tellStray()
    tellOrder(fingerprints, findings)
    const merged = this.#differences.at(platform, null)
    const fileSystem = isWhole ? compareTrees(trees.source, trees.target, merged) : null
    return { platform, layers, fileSystem }
  }

  #result(platforms: VerifiedPlatform[], platformsLeftOut: string[]): Verification {
    const { source, target, tocImage = null } = this.#request
    const { total, counts } = this.#differences
    return {
      schemaVersion: VERIFICATION_SCHEMA_VERSION,
      equal: total === 0,
      source: { name: source.name, digest: source.root.digest },
      target: { name: target.name, digest: target.root.digest },
      tocImage: tocImage === null ? null : { name: tocImage.name, digest: tocImage.root.digest },
      platforms,
      platformsLeftOut,
      differenceCount: total,
      counts: Object.fromEntries(counts),
      differences: this.#differences.first(),
    }
  }
}

/** As configs and indexes say. */
function namedPlatforms({ images }: LoadedImage): Platform[] {
  return images.flatMap(({ platform, descriptor }) =>
    descriptor.platform === undefined ? [platform] : [platform, descriptor.platform],
  )
}

function findPlatform(images: readonly PlatformImage[], platform: Platform): PlatformImage | undefined {
  const exact = images.find((image) => formatPlatform(image.platform) === formatPlatform(platform))
  return exact ?? images.find((image) => platformMatches(platform, image.platform))
}

/** Platforms that the source's index names and the target does not have. */
function leftOut({ index }: LoadedImage, named: readonly Platform[]): string[] {
  const offered = (index?.manifests ?? []).flatMap(({ platform }) => platform ?? [])
  return offered
    .filter(
      (platform) => platform.os !== 'unknown' && !named.some((other) => platformMatches(platform, other)),
    )
    .map(formatPlatform)
}

function layerSide(content: ContentStore, { manifest, config }: PlatformImage, index: number): LayerSide {
  return {
    content,
    descriptor: manifest.layers[index] as Descriptor,
    diffId: config.rootfs.diff_ids[index] as Digest,
  }
}

function layerResult(layer: VerifiedLayer, index: number, digest: Digest): VerifiedLayerResult {
  const { source, target, format, comparison, toc } = layer
  const { sparseEntries, globalHeaders, unknownTypes, formatEntries } = source.notes
  return {
    index,
    digest,
    format,
    entries: comparison?.entries ?? source.entries.length,
    uncompressedBytes: target?.uncompressedBytes ?? null,
    toc: toc ?? null,
    exceptions: {
      sparseFiles: sparseEntries,
      repeatedNames: comparison?.repeated ?? 0,
      globalHeaders,
      unknownTypes,
      formatEntries,
    },
  }
}

/** A layer that holds what another one should: said once, beside all that is wrong in it. */
function tellOrder(layers: readonly { source: string; target: string }[], findings: Findings): void {
  for (const [index, { source, target }] of layers.entries()) {
    if (source === target) continue
    const other = layers.findIndex((layer) => layer.source === target)
    if (other >= 0)
      findings.add('LAYER_ORDER', null, `layer ${index} holds what layer ${other} of the source holds`)
  }
}

function strictFindings(name: string): Findings {
  return {
    add: (code, _path, message) => {
      const what = `the source ${name} cannot be compared with: ${message}`
      throw code === 'BLOB_MISSING'
        ? new NotFoundError(`${what}; pull it for this platform`)
        : new PreconditionError('SOURCE_INVALID', `${what}; fetch it again`)
    },
  }
}

/** The half that `optimize` and `convert` share: from images and what comes first in them to a new name. */
import { setImmediate } from 'node:timers/promises'
import type { Console } from './console.ts'
import { keepAttestation, SOURCE_ANNOTATION, VERSION_ANNOTATION, writeIndex } from './convert/documents.ts'
import { type ConversionProgress, type ConvertedImage, convertImage } from './convert/image.ts'
import type { ConversionOptions, LayerFormat } from './convert/options.ts'
import type { EarlyLayers } from './early-layers.ts'
import type { Descriptor } from './image/descriptor.ts'
import { requireReadableLayer } from './image/manifest.ts'
import { formatPlatform } from './image/platform.ts'
import type { SpoolRequest } from './layer-blob.ts'
import { type LimitedImageOrder, limitedOrder } from './limited-order.ts'
import { withComingLayers, withOpenLayers } from './open-layers.ts'
import type { OpenStores } from './open-stores.ts'
import { type HotZoneLimits, isUnlimited } from './plan/limits.ts'
import type { WantedFile } from './record/wanted-files.ts'
import { requireSpoolSpace } from './spool-need.ts'
import type { Stages } from './stages.ts'
import { requireBlobs } from './store/missing.ts'
import {
  type PlatformSelection,
  type ResolvedImage,
  type ResolvedImages,
  resolveImages,
} from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { GzipHelper } from './tar/gzip-helper.ts'
import type { OpenedLayer } from './tar/layer.ts'
import type { SpoolSpace } from './tar/spool-space.ts'
import { type TocImage, writeTocImages } from './toc-images.ts'
import { formatVerification, verificationError } from './verify/report.ts'
import { verifyImages } from './verify/verify-images.ts'
import { packageVersion } from './version.ts'

/** What the result is besides its layers' order, as asked for. */
export interface OutputOptions {
  attestations: 'drop' | 'keep'
  /** Of every new manifest. */
  annotations: Record<string, string>
  reuse: boolean
  /** Compare result and source before the target's name is set. */
  verify: boolean
  /** Of what comes first. */
  limits: HotZoneLimits
  /** Name of the image of external TOCs in the target's store; null: the target's + "-esgztoc". */
  tocReference: string | null
  /** What decompresses the source's gzip in place of what is built in; has no influence on the bytes. */
  gzipHelper: GzipHelper | null
  /** For the uncompressed layers; of this run alone. */
  space: SpoolSpace
  conversion: ConversionOptions
}

/** What comes first in an image's layers. */
export interface ImageOrder<Origin> {
  /** In the order to fetch it; null where nobody has asked for an order. */
  wanted: readonly WantedFile[] | null
  /** What a list names and leaves out. */
  excluded: readonly WantedFile[]
  origin: Origin
}

/** How many differences are kept; the first is told. */
const DIFFERENCES_MAX = 20
const FORMAT_NAMES: Record<LayerFormat['kind'], string> = {
  estargz: 'eStargz',
  zstdchunked: 'zstd:chunked',
  uncompressed: 'plain tar',
}

export interface ConversionContext {
  console: Console
  signal: AbortSignal
  stages: Stages
}

export interface ConversionRequest<Origin> {
  from: OpenStores
  to: OpenStores
  resolved: ResolvedImages
  output: OutputOptions
  /** Of one of the images: opened already, and taken over. */
  early?: EarlyLayers | null
  /** Asked when an image's layers are read. */
  orderOf(image: ResolvedImage, layers: readonly OpenedLayer[]): ImageOrder<Origin>
  /** The same where it is known before that: each layer is converted as soon as it is read. Else null. */
  orderBefore(image: ResolvedImage): ImageOrder<Origin> | null
}

export interface ConvertedPlatform<Origin> {
  source: ResolvedImage
  converted: ConvertedImage
  order: LimitedImageOrder<Origin>
}

export interface Conversion<Origin> {
  /** What the new name points at: an index where the source was one, else a manifest. */
  target: Descriptor
  /** In the order of the source's index. */
  platforms: ConvertedPlatform<Origin>[]
  attestations: { kept: number; dropped: number }
  /** Other manifests of the source's index that the result lacks. */
  leftOut: number
  /** Of layers that have their TOC not inside. */
  tocImage: TocImage | null
}

/** The images asked for, all there and readable: known before any work is done. Says what is left out. */
export async function resolveWhole(
  from: OpenStores,
  selection: PlatformSelection,
  { attestations, space }: OutputOptions,
  { console: log, stages }: ConversionContext,
): Promise<ResolvedImages> {
  const resolved = await stages.run('resolve', from.label, () =>
    resolveImages(from.images, from.content, from.name, selection),
  )
  await requireBlobs(from, resolved, attestations === 'keep' ? resolved.attestations : [])
  for (const { manifest } of resolved.images)
    for (const [index, layer] of manifest.layers.entries()) requireReadableLayer(layer, index)
  await requireSpoolSpace(from.content, resolved.images, space)
  tellLeftOut(resolved, attestations, log)
  return resolved
}

function tellLeftOut(
  { attestations, leftOut }: ResolvedImages,
  policy: OutputOptions['attestations'],
  log: Console,
): void {
  if (leftOut.length > 0) {
    const names = [
      ...new Set(leftOut.map(({ platform }) => (platform ? formatPlatform(platform) : 'unnamed'))),
    ]
    log.info(`the result leaves out ${leftOut.length} other manifests of the index: ${names.join(', ')}`)
  }
  if (attestations.length === 0) return
  if (policy === 'drop')
    log.info(
      `the result leaves out ${attestations.length} attestations: they are about the source's bytes (--attestations keep)`,
    )
  else
    log.info(
      `${attestations.length} attestations are kept as they are: what they say is about the source's bytes`,
    )
}

/** The new blobs are written and get their name. @throws when anything fails; the target's name is untouched then */
export async function convertImages<Origin>(
  request: ConversionRequest<Origin>,
  context: ConversionContext,
): Promise<Conversion<Origin>> {
  const { from, to, resolved, output } = request
  const platforms = await convertPlatforms(request, context)
  context.signal.throwIfAborted()
  const kept =
    output.attestations === 'keep'
      ? await keepAttestations(from.content, to.content, resolved, platforms)
      : []
  const manifests = [...platforms.map(({ converted }) => converted.manifest), ...kept]
  const target =
    resolved.index === null
      ? bare(manifests[0] as Descriptor)
      : await writeIndex(to.content, resolved.index, manifests)
  const tocImage = await writeTocImages(to, platforms, {
    hasIndex: resolved.index !== null,
    reference: output.tocReference,
  })
  if (output.verify)
    await context.stages.run('verify', to.label, () => requireEqual(request, { target, tocImage }, context))
  await context.stages.run('publish', to.label, async () => {
    // A signal that has arrived is heard in the event loop alone, the second of these behind it; from here on the
    // image is there.
    await setImmediate()
    await setImmediate()
    context.signal.throwIfAborted()
    // Whoever finds the image finds its TOCs.
    if (tocImage !== null) await to.images.put({ name: tocImage.name, target: tocImage.target, labels: {} })
    await to.images.put({ name: to.name, target, labels: {} })
  })
  const attestations = { kept: kept.length, dropped: resolved.attestations.length - kept.length }
  return { target, platforms, attestations, leftOut: resolved.leftOut.length, tocImage }
}

/** @throws {CodedError} VERIFICATION_FAILED */
async function requireEqual(
  { from, to, resolved, output }: Pick<ConversionRequest<unknown>, 'from' | 'to' | 'resolved' | 'output'>,
  { target, tocImage }: Pick<Conversion<unknown>, 'target' | 'tocImage'>,
  { console: log, signal }: ConversionContext,
): Promise<void> {
  const verification = await verifyImages({
    source: { name: resolved.name, root: resolved.root, content: from.content },
    target: { name: to.label, root: target, content: to.content },
    tocImage: tocImage === null ? null : { name: tocImage.label, root: tocImage.target },
    platforms: resolved.images.map(({ platform }) => platform),
    allPlatforms: false,
    gcLabels: true,
    annotations: output.annotations,
    differencesMax: DIFFERENCES_MAX,
    signal,
    onProgress: ({ platform, layer, layers }) =>
      log.live(`comparing layer ${layer + 1} of ${layers} (${platform})`),
  })
  log.endLive()
  if (!verification.equal) throw verificationError(verification)
  log.info(formatVerification(verification).trimEnd())
}

/** How an image's layers are opened. */
export function spoolRequest(
  { content }: Pick<OpenStores, 'content'>,
  image: ResolvedImage,
  { gzipHelper, space }: Pick<OutputOptions, 'gzipHelper' | 'space'>,
  { signal, stages }: Pick<ConversionContext, 'signal' | 'stages'>,
): SpoolRequest {
  return { content, image, ...(gzipHelper === null ? {} : { gzipHelper }), space, signal, stages }
}

/** First the image whose layers are there already: until it is converted they take the disk that others count on. */
async function convertPlatforms<Origin>(
  request: ConversionRequest<Origin>,
  context: ConversionContext,
): Promise<ConvertedPlatform<Origin>[]> {
  const { images } = request.resolved
  const early = images.filter((image) => image === request.early?.image)
  const converted = new Map<ResolvedImage, ConvertedPlatform<Origin>>()
  for (const image of new Set([...early, ...images]))
    converted.set(image, await convertPlatform(request, image, context))
  return images.map((image) => converted.get(image) as ConvertedPlatform<Origin>)
}

async function convertPlatform<Origin>(
  { from, to, output, orderOf, orderBefore, resolved, early }: ConversionRequest<Origin>,
  image: ResolvedImage,
  context: ConversionContext,
): Promise<ConvertedPlatform<Origin>> {
  const { console: log, signal, stages } = context
  const platform = resolved.images.length === 1 ? '' : ` of ${formatPlatform(image.platform)}`
  const opening = spoolRequest(from, image, output, { signal, stages })
  const convert = async (layers: OpenedLayer[], wanted: ImageOrder<Origin>, signal: AbortSignal) => {
    const order = await limitedOrder(wanted, layers, output, { console: log, signal, stages })
    const what = `${layers.length} layers${platform} to ${FORMAT_NAMES[output.conversion.format.kind]}`
    const converted = await stages.run('convert', what, () =>
      convertImage({
        from: from.content,
        content: to.content,
        source: image,
        layers,
        prioritized: order.paths,
        options: output.conversion,
        reuse: output.reuse,
        annotations: manifestAnnotations(image, output),
        signal,
        onProgress: (progress) => log.live(progressText(progress)),
      }),
    )
    log.endLive()
    return { source: image, converted, order }
  }
  const own = early?.image === image ? early : null
  const known = isUnlimited(output.limits) ? orderBefore(image) : null
  return known === null
    ? await withOpenLayers(opening, (layers) => convert(layers, orderOf(image, layers), signal), own)
    : await withComingLayers(opening, (layers, reading) => convert(layers, known, reading))
}

function manifestAnnotations({ descriptor }: ResolvedImage, output: OutputOptions): Record<string, string> {
  return {
    [SOURCE_ANNOTATION]: descriptor.digest,
    [VERSION_ANNOTATION]: packageVersion().version,
    ...output.annotations,
  }
}

async function keepAttestations(
  from: ContentStore,
  to: ContentStore,
  { attestations }: ResolvedImages,
  platforms: readonly ConvertedPlatform<unknown>[],
): Promise<Descriptor[]> {
  const kept: Descriptor[] = []
  for (const attestation of attestations) {
    const about = platforms.find(({ source }) => source.descriptor.digest === attestation.of)
    if (about !== undefined)
      kept.push(await keepAttestation(from, to, attestation, about.converted.manifest.digest))
  }
  return kept
}

/** What a name points at says nothing of platform and annotations: the manifest does. */
function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function progressText({ layer, layers, doneBytes, totalBytes }: ConversionProgress): string {
  const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100)
  return `converting layer ${layer + 1} of ${layers}: ${percent} %`
}

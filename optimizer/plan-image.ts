/** `optimizer plan`: what a conversion of images by these records would put first. Nothing is run and nothing written. */
import { blobFormat, type ConversionOptions } from './convert/options.ts'
import { CompressionPool } from './estargz/compression-pool.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform } from './image/platform.ts'
import type { RegistryReference } from './image/reference.ts'
import { meantFor } from './image-order.ts'
import { formatOf } from './inspect.ts'
import { type GivenSources, givenOrder, recordsFor, requireRecordsOf } from './order/given-order.ts'
import { type AccessedLayer, addAccesses } from './plan/accesses.ts'
import type { AnalysisWarning, ImageAnalysis, LayerAnalysis } from './plan/analysis.ts'
import { filesOfTar } from './plan/files-of-tar.ts'
import { HotZones } from './plan/hot-zones.ts'
import { type HotZoneLimits, limitOrder, tellUnmatched } from './plan/limits.ts'
import { textOf } from './plan/paths.ts'
import { sumsOf, totalOf } from './plan/sums.ts'
import { warningsOf } from './plan/warnings.ts'
import { pathsByLayer } from './record/wanted-files.ts'
import { requireRegistryRecords } from './registry-records.ts'
import { Stages } from './stages.ts'
import type { PlatformSelection, ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import type { PathKey } from './tar/entry.ts'
import type { OpenedLayer } from './tar/layer.ts'
import { type ImageOpening, type OpeningContext, type WholeImage, withWholeImages } from './whole-image.ts'

export interface PlanRequest extends ImageOpening {
  source: ImageLocation
  platforms: PlatformSelection
  given: GivenSources
  /** Where a record of each image is looked for besides; null: nowhere. */
  recordsFrom: RegistryReference | null
  limits: HotZoneLimits
  /** As the conversion would have them. */
  conversion: ConversionOptions
}

const NO_ORDER = { wanted: [], excluded: [], unknown: 0 }

/**
 * Of each platform, in the order of the index.
 * @throws {CodedError} RECORD_OF_ANOTHER_IMAGE, and whatever is wrong with the image
 */
export async function planImages(request: PlanRequest, context: OpeningContext): Promise<ImageAnalysis[]> {
  const { source, platforms, recordsFrom, containerd } = request
  return await withWholeImages(request, source, platforms, context, async (wholes) => {
    const images = wholes.map(({ image }) => image)
    const place = { ...containerd, signal: context.signal }
    const given =
      recordsFrom === null
        ? request.given
        : await requireRegistryRecords(request.given, place, recordsFrom, images, context.console)
    requireRecordsOf(images.map(meantFor), given)
    const planned: ImageAnalysis[] = []
    for (const whole of wholes) {
      const of = wholes.length === 1 ? '' : ` of ${formatPlatform(whole.image.platform)}`
      planned.push(await planWhole(whole, { ...request, given }, of, context))
    }
    return planned
  })
}

async function planWhole(
  { image, open }: WholeImage,
  request: PlanRequest,
  of: string,
  context: OpeningContext,
): Promise<ImageAnalysis> {
  return await open.opened(async (layers) => {
    const pool = new CompressionPool(request.conversion)
    try {
      const what = `${layers.length} layers${of}`
      return await new Stages(context.console).run('measure', what, () =>
        planIn(open.content, image, { ...request, layers, pool }, context),
      )
    } finally {
      await pool.close()
    }
  })
}

interface Planning extends Pick<PlanRequest, 'given' | 'limits' | 'conversion'> {
  layers: readonly OpenedLayer[]
  pool: CompressionPool
}

async function planIn(
  content: ContentStore,
  image: ResolvedImage,
  { given, limits, conversion, layers, pool }: Planning,
  { console: log, signal }: OpeningContext,
): Promise<ImageAnalysis> {
  const format = blobFormat(conversion.format)
  if (format === null) throw new Error('plain tars have no order to plan')
  const meant = meantFor(image)
  const order = givenOrder(meant, layers, given, log)
  const zones = new HotZones({ layers, format, pool, signal })
  const limited = await limitOrder(order ?? NO_ORDER, layers, limits, () => zones)
  if (order !== null) tellUnmatched(limited, log)
  const { wanted, leftOut, unmatched } = limited
  const paths = pathsByLayer(wanted, layers.length)
  const analysed: LayerAnalysis[] = []
  for (const [index, layer] of layers.entries())
    analysed.push(await planLayer(content, layer, index, paths[index] ?? [], zones))
  const accesses = addAccesses(accessedLayers(analysed, layers), {
    records: recordsFor(meant, given),
    manifestDigests: given.recordAnyLayer ? null : [image.descriptor.digest],
  })
  for (const layer of analysed) layer.sums = sumsOf(layer.sums, layer.files)
  const analysis = {
    kind: 'planned' as const,
    name: image.name,
    digest: image.root.digest,
    manifestDigest: image.descriptor.digest,
    platform: formatPlatform(image.platform),
    sourceManifestDigest: null,
    records: accesses.records,
    layers: analysed,
    sums: totalOf(analysed.map(({ sums }) => sums)),
    leftOut: [...leftOut, ...accesses.leftOut],
    unknownLines: (order ?? NO_ORDER).unknown,
    unknownExclusions: order === null ? 0 : unmatched.length,
  }
  return { ...analysis, warnings: [...(order === null ? [notOrdered(image)] : []), ...warningsOf(analysis)] }
}

function notOrdered({ platform }: ResolvedImage): AnalysisWarning {
  const message = `no record and no list is meant for ${formatPlatform(platform)}: a conversion keeps the order of its layers`
  return { code: 'NOT_ORDERED', message, layerIndex: null, path: null }
}

async function planLayer(
  content: ContentStore,
  { entries, descriptor }: OpenedLayer,
  index: number,
  paths: readonly PathKey[],
  zones: HotZones,
): Promise<LayerAnalysis> {
  const zone = await zones.measure(index, paths)
  const files = filesOfTar(entries, paths, zone)
  return {
    index,
    digest: descriptor.digest,
    format: await formatOf(content, descriptor),
    landmark: null,
    tocBytes: null,
    contentEndBytes: null,
    sums: sumsOf({ sizeBytes: descriptor.size, hotZoneBytes: zone.bytes }, files),
    files,
  }
}

function accessedLayers(analysed: readonly LayerAnalysis[], layers: readonly OpenedLayer[]): AccessedLayer[] {
  return analysed.map(({ files }, index) => {
    const paths = new Set(layers[index]?.entries.map(({ path }) => textOf(path)))
    return { files, has: (path) => paths.has(path) }
  })
}

/** An image as it is, with what records say of it: from its tables of contents, else from its layers. */
import type { Console } from './console.ts'
import type { ConversionOptions } from './convert/options.ts'
import { explainImage } from './explain-image.ts'
import type { ImageLocation } from './image/location.ts'
import type { Platform } from './image/platform.ts'
import { type ContainerdPlace, withSource } from './open-stores.ts'
import type { GivenRecord } from './order/record-file.ts'
import type { ImageAnalysis } from './plan/analysis.ts'
import { planImages } from './plan-image.ts'
import { resolveImage } from './store/resolve.ts'
import type { SpoolSpace } from './tar/spool-space.ts'
import { tocFinder } from './toc-images.ts'

export interface AnalysisRequest {
  location: ImageLocation
  containerd: ContainerdPlace
  platform: Platform
  /** Name of the image of external TOCs; null: the image's with -esgztoc. */
  tocReference: string | null
  records: readonly GivenRecord[]
  recordAnyLayer: boolean
  /** As a conversion would have them: for images that are none yet. */
  conversion: ConversionOptions
  space: SpoolSpace
}

export interface AnalysisContext {
  console: Console
  signal: AbortSignal
}

/** @throws {CodedError} RECORD_OF_ANOTHER_IMAGE, and whatever is wrong with the image */
export async function analyseImage(
  request: AnalysisRequest,
  context: AnalysisContext,
): Promise<ImageAnalysis> {
  const { location, containerd, platform, tocReference, records, recordAnyLayer } = request
  const place = { ...containerd, signal: context.signal, log: context.console }
  const finished = await withSource(location, place, async (stores) => {
    const { content, images, name } = stores
    const image = await resolveImage(images, content, name, platform)
    const findTocs = tocFinder(stores, location, image, tocReference)
    return await explainImage(content, image, findTocs, { records, recordAnyLayer })
  })
  if (finished.layers.some(({ tocBytes }) => tocBytes !== null)) return finished
  const given = { records, recordAnyLayer, list: null, onLoss: 'warn' as const }
  const limits = { excluded: [], budgetBytes: null }
  const planning = { ...request, source: location, platforms: [platform], given, recordsFrom: null, limits }
  const [planned] = await planImages(planning, context)
  return planned as ImageAnalysis
}

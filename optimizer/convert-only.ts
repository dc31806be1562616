/** `optimizer convert`: the second half of the main job, from whatever store to whatever store. Nothing is run. */
import type { Console } from './console.ts'
import { convertImages, type OutputOptions, resolveWhole } from './conversion.ts'
import type { ImageLocation } from './image/location.ts'
import type { RegistryReference } from './image/reference.ts'
import { meantFor, orderBeforeLayers, orderWithoutRun } from './image-order.ts'
import { type ContainerdPlace, type OpenStores, withBoth, withRunAt } from './open-stores.ts'
import { type GivenSources, requireFitRecords } from './order/given-order.ts'
import type { GivenRecord } from './order/record-file.ts'
import { requireRegistryRecords } from './registry-records.ts'
import { type ConversionResult, conversionResult } from './result.ts'
import { Stages } from './stages.ts'
import type { PlatformSelection } from './store/resolve.ts'

export interface ConvertRequest {
  source: ImageLocation
  target: ImageLocation
  containerd: ContainerdPlace
  /** Named by the run's lease; no snapshot is made. */
  snapshotter: string
  platforms: PlatformSelection
  given: GivenSources
  /** Where a record of each image is looked for besides; null: nowhere. */
  recordsFrom: RegistryReference | null
  output: OutputOptions
}

export interface ConvertContext {
  console: Console
  signal: AbortSignal
  /** Told the records that the first platform's order is from, once the new image is there. */
  onConverted?: (records: readonly GivenRecord[]) => void
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then, the target is untouched */
export async function convertOnly(
  request: ConvertRequest,
  context: ConvertContext,
): Promise<ConversionResult> {
  const { target, snapshotter } = request
  const containerd = { ...request.containerd, signal: context.signal, log: context.console }
  const places = { ...request, containerd }
  const convert = (from: OpenStores, to: OpenStores) => convertIn(from, to, request, context)
  if (target.kind !== 'containerd') return await withBoth(places, null, convert)
  const place = { containerd, snapshotter, uses: [target.kind] }
  return await withRunAt(place, context.console, (run) => withBoth(places, run, convert))
}

async function convertIn(
  from: OpenStores,
  to: OpenStores,
  { platforms, output, recordsFrom, containerd, ...request }: ConvertRequest,
  context: ConvertContext,
): Promise<ConversionResult> {
  const { console: log } = context
  const running = { ...context, stages: new Stages(log) }
  const resolved = await resolveWhole(from, platforms, output, running)
  const place = { ...containerd, signal: context.signal, log }
  const given =
    recordsFrom === null
      ? request.given
      : await requireRegistryRecords(request.given, place, recordsFrom, resolved.images, log)
  requireFitRecords(resolved.images.map(meantFor), given, log)
  const conversion = await convertImages(
    {
      from,
      to,
      resolved,
      output,
      orderOf: (image, layers) => orderWithoutRun(image, layers, given, log),
      orderBefore: (image) => orderBeforeLayers(image, given, log),
    },
    running,
  )
  context.onConverted?.(conversion.platforms[0]?.order.origin.records ?? [])
  return conversionResult({
    resolved,
    targetName: to.label,
    conversion,
    stages: running.stages.times,
  })
}

/** The main job: from a name in whatever store to a new name. The whole story on one screen. */
import type { Log } from '../shared/log.ts'
import type { AccessRecord } from '../shared/record.ts'
import type { Console } from './console.ts'
import { convertImages, type OutputOptions, resolveWhole, spoolRequest } from './conversion.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform } from './image/platform.ts'
import type { RegistryReference } from './image/reference.ts'
import { meantFor, type OrderOf, orderBeforeLayers, orderWithoutRun, recordedOrder } from './image-order.ts'
import { withEarlyLayers } from './open-layers.ts'
import { type ContainerdPlace, type OpenStores, withBoth, withRunAt } from './open-stores.ts'
import { type GivenSources, recordsFor, requireFitRecords } from './order/given-order.ts'
import type { GivenRecord } from './order/record-file.ts'
import { type NamedWorkload, recordWorkloads } from './record-workloads.ts'
import { concludeRecord, type RecordingOptions } from './recording.ts'
import { attachRecord, requireAttachable, withRegistryRecords } from './registry-records.ts'
import { type ConversionResult, conversionResult } from './result.ts'
import { type RunnerChoice, runnerFor } from './runner.ts'
import { Stages } from './stages.ts'
import type { PlatformSelection, ResolvedImage } from './store/resolve.ts'
import { EarlyNotifier } from './workload/early-notifier.ts'
import type { WorkloadOptions } from './workload/options.ts'
import { requireRecordingPrivilege } from './workload/privilege.ts'
import type { Run } from './workload/run.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'
import { choosePlatformToRun, requireWorkloadPlatform } from './workload-platform.ts'

export interface OptimizeRequest {
  source: ImageLocation
  target: ImageLocation
  containerd: ContainerdPlace
  platforms: PlatformSelection
  snapshotter: string
  /** What runs the workload, if anything is run. */
  runner: RunnerChoice
  /** null: nothing is run. */
  workload: WorkloadOptions | null
  /** Several in its place, one after the other; empty: that one. */
  workloads: readonly NamedWorkload[]
  recording: RecordingOptions
  /** What comes first where nothing is run. */
  given: GivenSources
  /** Where a record of each image is looked for besides, and where one that is made is put; null: nowhere. */
  recordsFrom: RegistryReference | null
  attachTo: RegistryReference | null
  output: OutputOptions
}

export interface OptimizeContext {
  console: Console
  signal: AbortSignal
  nextInterrupt: NextInterrupt
  /** Told the records that the first platform's order is from, once the new image is there. */
  onConverted?: (records: readonly GivenRecord[]) => void
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then, the target is untouched */
export async function optimize(
  request: OptimizeRequest,
  context: OptimizeContext,
): Promise<ConversionResult> {
  if (request.workload !== null) requireRecordingPrivilege()
  // One platform is known to be one that this machine cannot run before its containerd is even asked.
  const [only, ...others] = request.platforms === 'all' ? [] : request.platforms
  if (
    request.workload !== null &&
    only !== undefined &&
    others.length === 0 &&
    request.given.records.length === 0 &&
    request.recordsFrom === null
  )
    requireWorkloadPlatform(only)
  const { snapshotter, source, target, runner } = request
  const containerd = { ...request.containerd, signal: context.signal, log: context.console }
  const uses = [source.kind, target.kind, ...(request.workload === null ? [] : [runner.kind])]
  return await withRunAt({ containerd, snapshotter, uses }, context.console, (run) =>
    withBoth({ source, target, containerd }, run, (from, to) =>
      optimizeIn(run, { from, to }, request, context),
    ),
  )
}

async function optimizeIn(
  run: Run,
  { from, to }: { from: OpenStores; to: OpenStores },
  request: OptimizeRequest,
  context: OptimizeContext,
): Promise<ConversionResult> {
  const { console: log } = context
  const { output, workload, workloads, recording, recordsFrom, attachTo } = request
  const running = { ...context, stages: new Stages(log) }
  const place = { ...request.containerd, signal: context.signal, log }
  // With records given it has to be seen first whether there is anything left to run.
  const started =
    workload !== null && workloads.length === 0 && request.given.records.length === 0 && recordsFrom === null
      ? { notifier: EarlyNotifier.start(run, workload, context.signal) }
      : {}
  const resolved = await resolveWhole(from, request.platforms, output, running)
  const given =
    recordsFrom === null
      ? request.given
      : await withRegistryRecords(request.given, place, recordsFrom, resolved.images, log)
  requireFitRecords(resolved.images.map(meantFor), given, log)
  if (attachTo !== null) await requireAttachable(place, attachTo)
  const chosen = workload === null ? null : imageToRun(resolved.images, given, log)
  const opening = chosen === null ? null : spoolRequest(from, chosen, output, running)
  const isFar = request.source.kind === 'docker' && request.runner.kind === 'runc'
  return await withEarlyLayers(opening, isFar, async (early) => {
    const { snapshotter } = request
    const runs =
      workload === null || early === null
        ? []
        : await recordWorkloads(
            runnerFor(run, request.runner, { snapshotter, early, log }),
            early.image,
            { workload, workloads },
            { ...running, ...started },
          )
    const wasRun = (image: ResolvedImage) => image === chosen && runs.length > 0
    const orderOf: OrderOf = (image, layers) =>
      wasRun(image)
        ? recordedOrder(image, concludeRecord(runs, image, layers, recording, log))
        : orderWithoutRun(image, layers, given, log)
    const orderBefore = (image: ResolvedImage) =>
      wasRun(image) ? null : orderBeforeLayers(image, given, log)
    const conversion = await convertImages(
      { from, to, resolved, output, early, orderOf, orderBefore },
      running,
    )
    const recorded = conversion.platforms.find(({ order }) => order.origin.record !== null)
    if (attachTo !== null && recorded !== undefined) {
      const { source, order } = recorded
      await running.stages.run('attach', 'the record', () =>
        attachRecord(place, attachTo, source, order.origin.record as AccessRecord, log),
      )
    }
    context.onConverted?.(conversion.platforms[0]?.order.origin.records ?? [])
    const { times } = running.stages
    return conversionResult({ resolved, targetName: to.label, conversion, stages: times })
  })
}

/** The one image that is run: of those without a record that this machine can run. The others are told. */
function imageToRun(images: readonly ResolvedImage[], given: GivenSources, log: Log): ResolvedImage | null {
  const open = images.filter((image) => recordsFor(meantFor(image), given).length === 0)
  const chosen = choosePlatformToRun(open)
  if (chosen === undefined && open.length === images.length)
    requireWorkloadPlatform((images[0] as ResolvedImage).platform)
  for (const { platform } of open.filter((image) => image !== chosen)) {
    const name = formatPlatform(platform)
    log.warn(`${name} is not run here: its layers keep their order (--record-in ${name}=FILE gives them one)`)
  }
  return chosen ?? null
}

/** The main job: from a name in containerd to a new name. The whole story on one screen. */
import type { Log } from '../shared/log.ts'
import type { Console } from './console.ts'
import { convertImages, type OutputOptions, resolveWhole } from './conversion.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform } from './image/platform.ts'
import { meantFor, type OrderOf, orderWithoutRun, recordedOrder } from './image-order.ts'
import {
  type ContainerdPlace,
  type OpenStores,
  sourceBeside,
  withContainerdRun,
  withTarget,
} from './open-stores.ts'
import { type GivenSources, recordsFor, requireFitRecords } from './order/given-order.ts'
import { type NamedWorkload, recordWorkloads } from './record-workloads.ts'
import { concludeRecord, type RecordingOptions } from './recording.ts'
import { type ConversionResult, conversionResult } from './result.ts'
import { Stages } from './stages.ts'
import type { PlatformSelection, ResolvedImage } from './store/resolve.ts'
import { EarlyNotifier } from './workload/early-notifier.ts'
import type { WorkloadOptions } from './workload/options.ts'
import { requireSamePidNamespace } from './workload/pid-namespace.ts'
import { requirePrivilege } from './workload/privilege.ts'
import type { Run } from './workload/run.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'
import { choosePlatformToRun, requireWorkloadPlatform } from './workload-platform.ts'

export interface OptimizeRequest {
  source: Extract<ImageLocation, { kind: 'containerd' }>
  target: ImageLocation
  containerd: ContainerdPlace
  platforms: PlatformSelection
  snapshotter: string
  /** null: nothing is run. */
  workload: WorkloadOptions | null
  /** Several in its place, one after the other; empty: that one. */
  workloads: readonly NamedWorkload[]
  recording: RecordingOptions
  /** What comes first where nothing is run. */
  given: GivenSources
  output: OutputOptions
}

export interface OptimizeContext {
  console: Console
  signal: AbortSignal
  nextInterrupt: NextInterrupt
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then, the target is untouched */
export async function optimize(
  request: OptimizeRequest,
  context: OptimizeContext,
): Promise<ConversionResult> {
  if (request.workload !== null) requirePrivilege()
  // One platform is known to be one that this machine cannot run before its containerd is even asked.
  const [only, ...others] = request.platforms === 'all' ? [] : request.platforms
  if (
    request.workload !== null &&
    only !== undefined &&
    others.length === 0 &&
    request.given.records.length === 0
  )
    requireWorkloadPlatform(only)
  const { snapshotter, target } = request
  const containerd = { ...request.containerd, signal: context.signal }
  return await withContainerdRun(containerd, snapshotter, context.console, (run) =>
    withTarget(target, run, containerd, (to) => optimizeIn(run, to, request, context)),
  )
}

async function optimizeIn(
  run: Run,
  to: OpenStores,
  request: OptimizeRequest,
  context: OptimizeContext,
): Promise<ConversionResult> {
  const { console: log } = context
  const { given, output, workload, workloads, recording } = request
  if (workload !== null) requireSamePidNamespace(run.containerd.address)
  const running = { ...context, stages: new Stages(log) }
  // With records given it has to be seen first whether there is anything left to run.
  const early =
    workload !== null && workloads.length === 0 && given.records.length === 0
      ? { notifier: EarlyNotifier.start(run, workload, context.signal) }
      : {}
  const from = sourceBeside(to, run, request.source)
  const resolved = await resolveWhole(from, request.platforms, output, running)
  requireFitRecords(resolved.images.map(meantFor), given, log)
  const chosen = workload === null ? null : imageToRun(resolved.images, given, log)
  const runs =
    workload === null || chosen === null
      ? []
      : await recordWorkloads(run, chosen, { workload, workloads }, { ...running, ...early })

  const orderOf: OrderOf = (image, layers) =>
    image === chosen && runs.length > 0
      ? recordedOrder(image, concludeRecord(runs, image, layers, recording, log))
      : orderWithoutRun(image, layers, given, log)
  const conversion = await convertImages({ from, to, resolved, output, orderOf }, running)
  return conversionResult({
    resolved,
    targetName: to.label,
    conversion,
    stages: running.stages.times,
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

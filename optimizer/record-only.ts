/** `optimizer record`: run an image and keep what it read. Nothing is converted, no layer is written anywhere. */
import type { AccessRecord } from '../shared/record.ts'
import type { Console } from './console.ts'
import { Containerd } from './containerd/client.ts'
import type { Digest } from './image/digest.ts'
import { requireReadableLayer } from './image/manifest.ts'
import { formatPlatform, type Platform } from './image/platform.ts'
import { indexLayers } from './open-layers.ts'
import type { ContainerdPlace } from './open-stores.ts'
import { type NamedWorkload, recordWorkloads } from './record-workloads.ts'
import { concludeRecord, type RecordingOptions } from './recording.ts'
import { type RecordSummary, recordSummary } from './result.ts'
import { Stages, type StageTime } from './stages.ts'
import { ContainerdContentStore, ContainerdImageStore } from './store/containerd.ts'
import { requireBlobs } from './store/missing.ts'
import { type ResolvedImage, resolveImages } from './store/resolve.ts'
import { packageVersion } from './version.ts'
import { EarlyNotifier } from './workload/early-notifier.ts'
import type { WorkloadOptions } from './workload/options.ts'
import { requireSamePidNamespace } from './workload/pid-namespace.ts'
import { requirePrivilege } from './workload/privilege.ts'
import { type Run, withRun } from './workload/run.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'
import { requireWorkloadPlatform } from './workload-platform.ts'

export interface RecordRequest {
  source: string
  containerd: ContainerdPlace
  platform: Platform
  workload: WorkloadOptions
  /** Several in its place, one after the other; empty: that one. */
  workloads: readonly NamedWorkload[]
  recording: RecordingOptions
}

export interface RecordOnlyContext {
  console: Console
  signal: AbortSignal
  nextInterrupt: NextInterrupt
}

export const RECORD_RESULT_SCHEMA_VERSION = 1

/** What `optimizer record --json` prints. Fields are only added; a change of meaning raises the version. */
export interface RecordResult {
  schemaVersion: typeof RECORD_RESULT_SCHEMA_VERSION
  source: { name: string; digest: Digest; platform: string }
  record: RecordSummary
  /** Where the record is, or null. */
  recordOut: string | null
  stages: StageTime[]
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then but an unfit record's file */
export async function recordOnly(
  request: RecordRequest,
  context: RecordOnlyContext,
): Promise<{ record: AccessRecord; result: RecordResult }> {
  requirePrivilege()
  requireWorkloadPlatform(request.platform)
  const { address, namespace, directReads } = request.containerd
  const containerd = await Containerd.connect(address, namespace, { directReads })
  try {
    requireSamePidNamespace(containerd.address)
    const { version } = packageVersion()
    const { snapshotter } = request.workload
    const options = { containerd, version, snapshotter, log: context.console }
    return await withRun(options, (run) => recordIn(run, request, context))
  } finally {
    containerd.close()
  }
}

async function recordIn(
  run: Run,
  { source, platform, workload, workloads, recording }: RecordRequest,
  context: RecordOnlyContext,
): Promise<{ record: AccessRecord; result: RecordResult }> {
  const { console: log, signal } = context
  // Of several each has its own.
  const early = workloads.length === 0 ? { notifier: EarlyNotifier.start(run, workload, signal) } : {}
  const stages = new Stages(log)
  const content = new ContainerdContentStore(run.containerd, run.id)
  const images = new ContainerdImageStore(run.containerd)
  const resolved = await stages.run('resolve', source, () =>
    resolveImages(images, content, source, [platform]),
  )
  await requireBlobs({ content, images }, resolved)
  const image = resolved.images[0] as ResolvedImage
  for (const [index, layer] of image.manifest.layers.entries()) requireReadableLayer(layer, index)

  const runs = await recordWorkloads(run, image, { workload, workloads }, { ...context, ...early, stages })
  const layers = await indexLayers({ content, image, signal, stages })
  const record = concludeRecord(runs, image, layers, recording, log)
  const result: RecordResult = {
    schemaVersion: RECORD_RESULT_SCHEMA_VERSION,
    source: { name: image.name, digest: image.root.digest, platform: formatPlatform(image.platform) },
    record: recordSummary(record),
    recordOut: recording.recordOut,
    stages: stages.times,
  }
  return { record, result }
}

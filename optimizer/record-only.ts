/** `optimizer record`: run an image and keep what it read. Nothing is converted, no layer is written anywhere. */
import type { AccessRecord } from '../shared/record.ts'
import type { Console } from './console.ts'
import type { Digest } from './image/digest.ts'
import type { ImageLocation } from './image/location.ts'
import { requireReadableLayer } from './image/manifest.ts'
import { formatPlatform, type Platform } from './image/platform.ts'
import type { RegistryReference } from './image/reference.ts'
import { layerContents, withLayersToUnpack } from './open-layers.ts'
import { type ContainerdPlace, type OpenStores, withRunAt, withSourceIn } from './open-stores.ts'
import { type NamedWorkload, recordWorkloads } from './record-workloads.ts'
import { concludeRecord, type RecordingOptions } from './recording.ts'
import { attachRecord, requireAttachable } from './registry-records.ts'
import { type RecordSummary, recordSummary } from './result.ts'
import { type RunnerChoice, runnerFor } from './runner.ts'
import { Stages, type StageTime } from './stages.ts'
import { requireBlobs } from './store/missing.ts'
import { type ResolvedImage, resolveImages } from './store/resolve.ts'
import { SpoolSpace } from './tar/spool-space.ts'
import { EarlyNotifier } from './workload/early-notifier.ts'
import type { WorkloadOptions } from './workload/options.ts'
import { requireRecordingPrivilege } from './workload/privilege.ts'
import type { Run } from './workload/run.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'
import { requireWorkloadPlatform } from './workload-platform.ts'

export interface RecordRequest {
  source: ImageLocation
  containerd: ContainerdPlace
  platform: Platform
  runner: RunnerChoice
  /** Where layers are uncompressed to be unpacked. */
  spoolFolder: string
  workload: WorkloadOptions
  /** Several in its place, one after the other; empty: that one. */
  workloads: readonly NamedWorkload[]
  recording: RecordingOptions
  /** The repository where the record is put; null: none. */
  attachTo: RegistryReference | null
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
  /** Where it is in a registry, or null. */
  attached: string | null
  stages: StageTime[]
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then but an unfit record's file */
export async function recordOnly(
  request: RecordRequest,
  context: RecordOnlyContext,
): Promise<{ record: AccessRecord; result: RecordResult }> {
  requireRecordingPrivilege()
  requireWorkloadPlatform(request.platform)
  const { source, runner, workload } = request
  const containerd = { ...request.containerd, signal: context.signal, log: context.console }
  const place = { containerd, snapshotter: workload.snapshotter, uses: [source.kind, runner.kind] }
  return await withRunAt(place, context.console, (run) =>
    withSourceIn(run, source, containerd, (from) => recordIn(run, from, request, context)),
  )
}

async function recordIn(
  run: Run,
  { content, images, name, label }: OpenStores,
  { platform, workload, workloads, recording, attachTo, ...request }: RecordRequest,
  context: RecordOnlyContext,
): Promise<{ record: AccessRecord; result: RecordResult }> {
  const { console: log, signal } = context
  // Of several each has its own.
  const started = workloads.length === 0 ? { notifier: EarlyNotifier.start(run, workload, signal) } : {}
  const stages = new Stages(log)
  const resolved = await stages.run('resolve', label, () => resolveImages(images, content, name, [platform]))
  await requireBlobs({ content, images }, resolved)
  const place = { ...request.containerd, signal, log }
  if (attachTo !== null) await requireAttachable(place, attachTo)
  const image = resolved.images[0] as ResolvedImage
  for (const [index, layer] of image.manifest.layers.entries()) requireReadableLayer(layer, index)

  const opening = { content, image, signal, stages, space: new SpoolSpace({ folder: request.spoolFolder }) }
  const record = await withLayersToUnpack(opening, async (early) => {
    const runner = runnerFor(run, request.runner, { snapshotter: workload.snapshotter, early, log })
    const options = { workload, workloads }
    const runs = await recordWorkloads(runner, image, options, { ...context, ...started, stages })
    return concludeRecord(runs, image, await layerContents(opening, early), recording, log)
  })
  const attached =
    attachTo === null
      ? null
      : await stages.run('attach', 'the record', () => attachRecord(place, attachTo, image, record, log))
  const result: RecordResult = {
    schemaVersion: RECORD_RESULT_SCHEMA_VERSION,
    source: { name: image.name, digest: image.root.digest, platform: formatPlatform(image.platform) },
    record: recordSummary(record),
    recordOut: recording.recordOut,
    attached,
    stages: stages.times,
  }
  return { record, result }
}

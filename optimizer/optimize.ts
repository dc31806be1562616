/** The main job: from a name in containerd to a new name in containerd. The whole story on one screen. */
import { setImmediate } from 'node:timers/promises'
import type { Console } from './console.ts'
import { Containerd } from './containerd/client.ts'
import { type ConversionProgress, convertImage } from './convert/image.ts'
import type { ConversionOptions } from './convert/options.ts'
import { requireReadableLayer } from './image/manifest.ts'
import type { Platform } from './image/platform.ts'
import { withOpenLayers } from './open-layers.ts'
import { prioritizedFiles } from './record/prioritized-files.ts'
import { recordImage } from './record-image.ts'
import { concludeRecord, type RecordingOptions, requireWorkloadPlatform } from './recording.ts'
import { type OptimizeResult, optimizeResult } from './result.ts'
import { Stages } from './stages.ts'
import { ContainerdContentStore, ContainerdImageStore } from './store/containerd.ts'
import { requireLayers, resolveImage } from './store/resolve.ts'
import { packageVersion } from './version.ts'
import type { WorkloadOptions } from './workload/options.ts'
import { requirePrivilege } from './workload/privilege.ts'
import { type Run, withRun } from './workload/run.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'

export interface OptimizeRequest {
  source: string
  target: string
  containerd: { address: string; namespace: string }
  platform: Platform
  snapshotter: string
  /** null: convert in source order without running anything. */
  workload: WorkloadOptions | null
  recording: RecordingOptions
  conversion: ConversionOptions
}

export interface OptimizeContext {
  console: Console
  signal: AbortSignal
  nextInterrupt: NextInterrupt
}

/** @throws {CodedError} with the exit code for the process; nothing is left behind then, the target is untouched */
export async function optimize(request: OptimizeRequest, context: OptimizeContext): Promise<OptimizeResult> {
  const { console: log } = context
  if (request.workload !== null) {
    requirePrivilege()
    requireWorkloadPlatform(request.platform)
  }
  const containerd = await Containerd.connect(request.containerd.address, request.containerd.namespace)
  try {
    const { version } = packageVersion()
    const { snapshotter } = request
    return await withRun({ containerd, version, snapshotter, log }, (run) =>
      optimizeIn(run, request, context),
    )
  } finally {
    containerd.close()
  }
}

async function optimizeIn(
  run: Run,
  request: OptimizeRequest,
  context: OptimizeContext,
): Promise<OptimizeResult> {
  const stages = new Stages(context.console)
  const content = new ContainerdContentStore(run.containerd, run.id)
  const images = new ContainerdImageStore(run.containerd)

  const image = await stages.run('resolve', request.source, () =>
    resolveImage(images, content, request.source, request.platform),
  )
  for (const [index, layer] of image.manifest.layers.entries()) requireReadableLayer(layer, index)
  await requireLayers(content, image)
  const others = (image.index?.manifests.length ?? 1) - 1
  if (others > 0)
    context.console.info(
      `the result leaves out ${others} other manifests of the index (platforms, attestations)`,
    )
  const workloadRun =
    request.workload === null ? null : await recordImage(run, image, request.workload, { ...context, stages })

  return await withOpenLayers({ content, image, signal: context.signal, stages }, async (layers) => {
    const accesses =
      workloadRun === null
        ? null
        : concludeRecord(workloadRun, image, layers, request.recording, context.console)
    const { descriptor, manifest } = image
    const converted = await stages.run('convert', `${layers.length} layers to eStargz`, () =>
      convertImage({
        content,
        source: image,
        layers,
        prioritized: prioritizedFiles(accesses?.entries ?? [], descriptor.digest, manifest.layers.length),
        options: request.conversion,
        signal: context.signal,
        onProgress: (progress) => context.console.live(progressText(progress)),
      }),
    )
    context.console.endLive()
    await stages.run('publish', request.target, async () => {
      // A signal that has arrived is heard in the event loop alone, the second of these behind it; from here on the
      // image is there.
      await setImmediate()
      await setImmediate()
      context.signal.throwIfAborted()
      await images.put({ name: request.target, target: converted.target, labels: {} })
    })
    return optimizeResult({
      source: image,
      targetName: request.target,
      record: accesses,
      converted,
      stages: stages.times,
    })
  })
}

function progressText({ layer, layers, doneBytes, totalBytes }: ConversionProgress): string {
  const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100)
  return `converting layer ${layer + 1} of ${layers}: ${percent} %`
}

/** `--dry-run`: what a run would be, without one. containerd is asked for the image's documents and nothing else. */
import { PreconditionError } from '../shared/errors.ts'
import type { MarkKind } from '../shared/messages.ts'

import { RUNC_SHIM, type RuntimeChoice } from './containerd/runtime-choice.ts'
import { specJson } from './containerd/spec-json.ts'
import type { Digest } from './image/digest.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform } from './image/platform.ts'
import { type ContainerdPlace, withSource } from './open-stores.ts'
import type { NamedWorkload } from './record-workloads.ts'
import type { RunnerChoice } from './runner.ts'
import { requireBlobs } from './store/missing.ts'
import { type PlatformSelection, type ResolvedImage, resolveImages } from './store/resolve.ts'
import type { OpeningContext } from './whole-image.ts'
import { RESOLVER_PATH } from './workload/cni/resolver.ts'
import { formatStep } from './workload/drive/drive.ts'
import type { EngineName } from './workload/engine.ts'
import { HOSTNAME, networkTexts } from './workload/network-files.ts'
import type { StopOptions, WorkloadOptions } from './workload/options.ts'
import { type ProcessPlan, planProcess, type RuntimeSpec, runtimeSpec } from './workload/spec/runtime-spec.ts'
import { resolveUser } from './workload/spec/user.ts'
import { boundSeconds } from './workload/stop-rules/stop-plan.ts'
import { stopSignalNumber } from './workload/stop-signal.ts'
import { choosePlatformToRun, requireWorkloadPlatform } from './workload-platform.ts'

export interface DryRunRequest {
  source: ImageLocation
  containerd: ContainerdPlace
  platforms: PlatformSelection
  runner: RunnerChoice
  workload: WorkloadOptions
  /** Several in its place; empty: that one. */
  workloads: readonly NamedWorkload[]
}

export const DRY_RUN_SCHEMA_VERSION = 1

/** What `--dry-run` prints. Fields are only added; a change of meaning raises the version. */
export interface DryRun {
  schemaVersion: typeof DRY_RUN_SCHEMA_VERSION
  source: { name: string; digest: Digest; platform: string }
  process: ProcessPlan
  stop: StopRulesPlan
  /** What is done to it once it is ready: commands as arrays, requests as `GET http://localhost/`. */
  drive: (readonly string[] | string)[]
  /** Whether it reads this command's stdin, or the keys of its terminal. */
  interactive: boolean
  /** The container network that CNI plugins attach it to, and these; null: none. */
  cni: { network: string; plugins: string[] } | null
  /** `kind` is null where only the mounted root tells. */
  mark: { kind: MarkKind | null; reason: string }
  /** What runs it. */
  runner: EngineName
  /** Where it is containerd. */
  snapshotter: string
  runtime: RuntimeChoice
  /** Of the container, besides those by which we find it. */
  labels: Readonly<Record<string, string>>
  /** Files that the container is shown, text by path. */
  files: Record<string, string>
  /** Fields of `spec` that only the run decides; they are in angle brackets, or absent. */
  decidedByTheRun: string[]
  spec: RuntimeSpec
}

export interface StopRulesPlan {
  /** All of them have to be met; empty: nothing is waited for. */
  ready: { rule: string; value: string | readonly string[] }[]
  settleSeconds: number | null
  /** After which the run is over in any case; null: when somebody ends it. */
  boundSeconds: number | null
  /** By its number. */
  signal: number
  killedAfterSeconds: number
}

/** @returns JSON @throws {PreconditionError} what a run would find at once: image, platform, command, stop signal */
export async function dryRun(
  request: DryRunRequest,
  { console: log, signal }: OpeningContext,
): Promise<string> {
  const { source, containerd, platforms, runner, workload, workloads } = request
  return await withSource(source, { ...containerd, signal, log }, async (stores) => {
    const { content, images } = stores
    const resolved = await resolveImages(images, content, stores.name, platforms)
    await requireBlobs({ content, images }, resolved)
    const image = choosePlatformToRun(resolved.images)
    if (image === undefined) {
      requireWorkloadPlatform((resolved.images[0] as ResolvedImage).platform)
      throw new PreconditionError('PLATFORM_NOT_RUNNABLE', 'none of these platforms can be run here')
    }
    const planned =
      workloads.length === 0
        ? plannedRun(image, workload, runner.kind)
        : workloads.map(({ name, options }) => ({
            workload: name,
            ...plannedRun(image, options, runner.kind),
          }))
    return `${specJson(planned, 2)}\n`
  })
}

export function plannedRun(
  image: ResolvedImage,
  options: WorkloadOptions,
  runner: EngineName = 'containerd',
): DryRun {
  const config = image.config.config ?? {}
  const process = planProcess(config, options)
  const { [options.cni === undefined ? '' : RESOLVER_PATH]: _, ...files } = networkTexts(options)
  const user = numericUser(process.user)
  const spec = runtimeSpec({
    plan: process,
    user: user ?? { uid: 0, gid: 0, additionalGids: [] },
    rootPath: '<rootfs>',
    mountNamespacePath: '<notifier>',
    cgroupPath: '<run>',
    network: options.netHost ? null : { hostname: HOSTNAME },
    files: Object.keys(files).map((destination) => ({ source: '<file>', destination })),
    container: options.container,
    terminal: options.terminal === true,
  })
  if (user === null) delete spec.process.user
  return {
    schemaVersion: DRY_RUN_SCHEMA_VERSION,
    source: {
      name: image.name,
      digest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    process,
    stop: stopRules(options, config.StopSignal),
    drive: (options.drive ?? []).map((step) => (step.kind === 'exec' ? step.args : formatStep(step))),
    interactive: options.interactive === true,
    cni: plannedNetwork(options),
    mark: expectedMark(options, runner, image.manifest.layers.length),
    runner,
    snapshotter: options.snapshotter,
    runtime: options.container?.runtime ?? { shim: RUNC_SHIM },
    labels: options.container?.labels ?? {},
    files,
    decidedByTheRun: [
      'root.path',
      'linux.cgroupsPath',
      'linux.namespaces[mount].path',
      ...Object.keys(files).map((path) => `mounts[${path}].source`),
      ...(options.cni === undefined ? [] : [`mounts[${RESOLVER_PATH}]`]),
      user === null ? 'process.user' : 'process.user.additionalGids',
    ],
    spec,
  }
}

function plannedNetwork({ cni }: WorkloadOptions): DryRun['cni'] {
  if (cni === undefined) return null
  return { network: cni.network.name, plugins: cni.network.plugins.map(({ type }) => type) }
}

/** Names are in the image's own files, which nobody reads here. */
function numericUser(text: string): ReturnType<typeof resolveUser> | null {
  return /^(?:\d+(?::\d+)?)?$/.test(text) ? resolveUser(text, { passwd: null, group: null }) : null
}

function stopRules(options: StopOptions, signal: string | undefined): StopRulesPlan {
  const { waitOnLine = [], waitOnRegex = [], readyTcp = [], readyHttp = [], readyExec = [] } = options
  const { periodSeconds, settleSeconds, waitOnSignal, stopTimeoutSeconds } = options
  const ready = [
    ...waitOnLine.map((value) => ({ rule: 'wait-on-line', value })),
    ...waitOnRegex.map(({ source }) => ({ rule: 'wait-on-regex', value: source })),
    ...readyTcp.map(({ address, port }) => ({ rule: 'ready-tcp', value: `${address}:${port}` })),
    ...readyHttp.map(({ href }) => ({ rule: 'ready-http', value: href })),
    ...readyExec.map((value) => ({ rule: 'ready-exec', value })),
  ]
  const waits = ready.length > 0 || options.drive !== undefined || settleSeconds !== undefined
  return {
    ready,
    settleSeconds: settleSeconds ?? null,
    boundSeconds: boundSeconds({ periodSeconds, waits, ended: waitOnSignal === true }),
    signal: stopSignalNumber(signal),
    killedAfterSeconds: stopTimeoutSeconds,
  }
}

/** What the run will find, where that can be known before the root is mounted. */
function expectedMark(
  { mark, snapshotter }: WorkloadOptions,
  runner: EngineName,
  layers: number,
): DryRun['mark'] {
  if (mark === 'mount') return { kind: 'mount', reason: 'asked for with --mark' }
  if (runner === 'runc' && layers > 0)
    return { kind: 'filesystem', reason: 'the root is an overlay of the unpacked layers' }
  if (snapshotter === 'native') return { kind: 'mount', reason: 'this snapshotter gives bind mounts' }
  if (snapshotter === 'overlayfs' && layers > 0)
    return { kind: 'filesystem', reason: 'this snapshotter gives an overlay of its own to each container' }
  return { kind: null, reason: 'what the snapshotter mounts decides' }
}

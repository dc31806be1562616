/** Runs an image once and returns what it read, in order. The story of a recording on one screen. */
import type { Readable } from 'node:stream'
import { PreconditionError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Access, Counters, MarkKind } from '../../shared/messages.ts'
import type { DrivenStep } from '../../shared/record.ts'
import type { ImageConfig } from '../image/manifest.ts'
import { makeResolver } from './cni/resolver.ts'
import { ContainerExec } from './container-exec.ts'
import { joinNetwork } from './container-network.ts'
import { connectSeconds, Drive } from './drive/drive.ts'
import type { EarlyNotifier } from './early-notifier.ts'
import { type Container, type Engine, networkPathOf, type UnpackedImage } from './engine.ts'
import { execute, hearLastWords, requireSuccess } from './execution.ts'
import { lossReasons } from './loss.ts'
import { HOSTNAME, networkFiles } from './network-files.ts'
import { NotifierProcess } from './notifier-process.ts'
import type { WorkloadOptions } from './options.ts'
import { readRootedFile } from './rooted-file.ts'
import { mountRootfs, type Rootfs } from './rootfs.ts'
import type { Run } from './run.ts'
import { type ProcessPlan, planProcess, runtimeSpec, type SpecParts } from './spec/runtime-spec.ts'
import { resolveUser } from './spec/user.ts'
import { stopPlan } from './stop-rules/for-run.ts'
import type { NextInterrupt } from './stop-rules/interrupt.ts'
import { NewFileClock } from './stop-rules/settle.ts'
import type { StopPlan, StopReason } from './stop-rules/stop-plan.ts'
import { stopSignalNumber } from './stop-signal.ts'
import type { LineSink, TaskOutput } from './task-output.ts'
import { readUpperFiles, type UpperFiles } from './upper-files.ts'
import { memoryKills } from './workload-cgroup.ts'
import { type StreamSettings, WorkloadStreams } from './workload-streams.ts'

/** No image has more accounts than this; what is larger is not read. */
const ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024

export interface WorkloadRequest {
  image: { name: string; config: ImageConfig }
  /** The same, by the engine that runs it. */
  unpacked: UnpackedImage
  options: WorkloadOptions
  /** Gets the workload's output, a line at a time. */
  output: LineSink
  notifier: EarlyNotifier
  /** Aborting it ends the run; its reason is thrown. */
  signal: AbortSignal
  /** For the stop rule that waits for a person. */
  nextInterrupt?: NextInterrupt
  /** What goes to an interactive workload; undefined: the process' own stdin. */
  input?: Readable
  /** @see StreamSettings.onRawTerminal */
  onRawTerminal?: (isRaw: boolean) => void
}

export interface WorkloadRun {
  /** In order of first access. A path may come again with other kinds; paths may begin with `mountPoint`. */
  accesses: Access[]
  counters: Counters
  /** What left its traces in the writable layer; null where the root is no overlay, and so has none of its own. */
  upper: UpperFiles | null
  /** Processes that ran beside the workload to see whether it is ready. */
  probePids: ReadonlySet<number>
  /** Why accesses are known to be missing, as phrases; empty when none is. */
  lost: string[]
  mark: { kind: MarkKind; reason: string }
  /** Whether reading was watched, too. */
  reads: boolean
  stop: StopReason
  /** What was done to the workload once it was ready. */
  drive: readonly DrivenStep[]
  /** As a shell shows it (128 + signal); null when it could not be learned. */
  exitStatus: number | null
  started: Date
  durationSeconds: number
  args: string[]
  envNames: string[]
  cwd: string
  /** `user[:group]` as asked for; '' is root. */
  user: string
  /** Where the root file system was on the host. */
  mountPoint: string
}

/**
 * Everything made belongs to `run` and is undone with it, at the latest.
 *
 * @throws {WorkloadError} WORKLOAD_FAILED when the workload ends by itself with a status other than 0,
 *   WORKLOAD_NOT_READY, DRIVE_FAILED
 * @throws {PreconditionError} CNI_FAILED, TERMINAL_MISSING
 * @throws {NotifierError} when the notifier fails or dies
 * @throws {NativeError} MOUNT_FAILED
 */
export async function runWorkload(run: Run, engine: Engine, request: WorkloadRequest): Promise<WorkloadRun> {
  const { image, options, signal } = request
  const plan = planProcess(image.config.config ?? {}, options)
  const stopSignal = stopSignalNumber(image.config.config?.StopSignal)
  const rootfs = await mountRootfs(run, request.unpacked)
  const mark = chooseMark(rootfs, options.mark)
  run.log.info(`mark: ${mark.kind} (${mark.reason})`)
  const parts = specParts(run, rootfs, plan, options)
  const newFiles = new NewFileClock()
  const notifier = await request.notifier.watching(rootfs.path)
  notifier.onAccesses = (accesses) => newFiles.see(accesses)
  const streams = new WorkloadStreams(run, options, streamSettings(request))
  const { output } = streams

  const reads = options.recordReads === true && canTellReads(notifier, run.log)
  const spec = runtimeSpec({ ...parts, mountNamespacePath: notifier.namespacePath })
  const container = await createMarked(notifier, { ...mark, reads }, rootfs.path, () =>
    engine.create({
      imageName: image.name,
      spec,
      container: options.container,
      streams: streams.paths,
    }),
  )
  const leaveNetwork = await joinNetwork(run, container, options)
  signal.throwIfAborted()
  const { exec, drive, stopRules } = rulesFor(run, request, {
    container,
    process: spec.process,
    output,
    newFiles,
  })
  const { log } = run
  const execution = await execute({
    container,
    notifier,
    stopSignal,
    stopRules,
    streams,
    options,
    log,
    signal,
  })
  warnOfMemoryKills(run, options)
  const flushed = await notifier.flush()
  const receivedAtFlush = notifier.accesses.length
  // The notifier's end and the deletions take about as long as each other, and neither needs the other.
  const [stopped] = await all([notifier.stop(), container.remove().then(() => output.drained())])
  await all([streams.end(), leaveNetwork()])
  hearLastWords(execution, stopRules)
  if (!options.allowFailure) requireSuccess(execution, stopRules, drive, plan, output.lastLines)

  const upper = rootfs.overlay === null ? null : await readUpperFiles(rootfs.overlay, signal)
  const { accesses, sequenceGaps } = notifier
  const unnamedCopyUps = upper?.unnamed.length ?? 0
  const received = accesses.length
  return {
    ...execution,
    accesses,
    counters: stopped,
    upper,
    drive: drive?.steps ?? [],
    probePids: exec.probePids,
    lost: lossReasons({ flushed, receivedAtFlush, stopped, received, sequenceGaps, unnamedCopyUps }),
    mark,
    reads,
    ...recordedPlan(plan),
    mountPoint: rootfs.path,
  }
}

/** To be asked while the container's control group is there. */
function warnOfMemoryKills({ id, log }: Run, { container }: WorkloadOptions): void {
  const kills = memoryKills(id)
  if (kills === 0) return
  const processes = kills === 1 ? 'a process' : `${kills} processes`
  const why =
    container?.memoryBytes === undefined
      ? "this machine's memory ran out"
      : 'it reached --memory, give it more with that'
  log.warn(`the kernel has killed ${processes} of the workload: ${why}`)
}

function recordedPlan({ args, env, cwd, user }: ProcessPlan) {
  return { args, envNames: env.map((entry) => entry.slice(0, entry.indexOf('='))), cwd, user }
}

function streamSettings({ output, input, onRawTerminal }: WorkloadRequest): StreamSettings {
  return { output, input: input ?? process.stdin, onRawTerminal: onRawTerminal ?? (() => {}) }
}

interface RunParts {
  container: Container
  process: Record<string, unknown>
  output: TaskOutput
  newFiles: NewFileClock
}

/** When the run ends, and what is done to the workload before; to be made before the start. */
function rulesFor(
  run: Run,
  { options, output: sink, nextInterrupt }: WorkloadRequest,
  { container, process, output, newFiles }: RunParts,
): { exec: ContainerExec; drive: Drive | null; stopRules: StopPlan } {
  const { folder, log } = run
  const exec = new ContainerExec({ container, process, runFolder: folder, log })
  const networkPath = networkPathOf(container)
  const steps = options.drive ?? []
  const means = { exec, networkPath, connectSeconds: connectSeconds(options), output: sink }
  const drive = steps.length === 0 ? null : new Drive(steps, means, log)
  const stopRules = stopPlan(options, {
    subscribe: (listener) => output.subscribe(listener),
    networkPath,
    runInContainer: (args, aborted) => exec.probe(args, aborted),
    newFiles,
    nextInterrupt: nextInterrupt ?? (() => new Promise(() => {})),
    drive,
  })
  return { exec, drive, stopRules }
}

/** All of the spec that is known before the notifier lives; reads the image's accounts while nobody watches. */
function specParts(
  run: Run,
  rootfs: Rootfs,
  plan: ProcessPlan,
  options: WorkloadOptions,
): Omit<SpecParts, 'mountNamespacePath'> {
  return {
    plan,
    user: resolveUser(plan.user, {
      passwd: readRootedFile(rootfs.path, '/etc/passwd', ACCOUNTS_BYTES_MAX),
      group: readRootedFile(rootfs.path, '/etc/group', ACCOUNTS_BYTES_MAX),
    }),
    rootPath: rootfs.path,
    // Without a folder of ours above it nothing is left when the runtime has removed it.
    cgroupPath: `/${run.id}`,
    network: options.netHost ? null : { hostname: HOSTNAME },
    files: workloadFiles(run.folder, options),
    container: options.container,
    terminal: options.terminal === true,
  }
}

/** A network that is joined later fills its resolver later. */
function workloadFiles(runFolder: string, options: WorkloadOptions): SpecParts['files'] {
  const files = networkFiles(options, runFolder)
  if (options.cni === undefined) return files
  const resolver = makeResolver(runFolder)
  return [...files.filter(({ destination }) => destination !== resolver.destination), resolver]
}

/** @throws {PreconditionError} MARK_UNSUITABLE */
function chooseMark({ overlay }: Rootfs, asked: MarkKind | undefined): WorkloadRun['mark'] {
  if (asked === 'mount' && overlay !== null) return { kind: 'mount', reason: 'asked for with --mark' }
  if (asked === 'filesystem' && overlay === null) {
    throw new PreconditionError(
      'MARK_UNSUITABLE',
      "the root is a bind mount of the host's disk: a mark on its file system would record the whole machine; use --mark mount",
    )
  }
  if (overlay === null)
    return {
      kind: 'mount',
      reason: 'the root is a bind mount: its file system holds more than the container',
    }
  const { lazyLowers: lazy, lowers } = overlay
  const fetched = `; ${lazy} of its ${lowers.length} layers are mounted lazily, and fetched as they are read`
  const reason = `the root is an overlay: its file system is the container alone${lazy > 0 ? fetched : ''}`
  return { kind: 'filesystem', reason }
}

function canTellReads({ hello }: NotifierProcess, log: Log): boolean {
  if (hello.capabilities.reads === true) return true
  log.warn(`${hello.program} cannot tell reading from opening: the record is made without --record-reads`)
  return false
}

/**
 * Creates the container and marks: a file system before, so that what the runtime itself reads is seen; a mount after,
 * for only the runtime's pivot makes the container's root mount.
 */
async function createMarked(
  notifier: NotifierProcess,
  mark: WorkloadRun['mark'] & { reads: boolean },
  rootPath: string,
  create: () => Promise<Container>,
): Promise<Container> {
  const { reason } = mark
  const events = mark.reads ? { reads: true } : {}
  if (mark.kind === 'filesystem')
    await notifier.mark({ kind: 'filesystem', path: NotifierProcess.pathOf(rootPath), reason, ...events })
  const container = await create().catch(async (error: unknown) => {
    // A notifier that has died takes its namespace along: its own reason is the better one.
    await notifier.flush()
    throw error
  })
  if (mark.kind === 'mount') await notifier.mark({ kind: 'mount', rootPid: container.pid, reason, ...events })
  await notifier.started()
  return container
}

/** Waits for every one, then throws what the first failed one threw. */
async function all<const T extends readonly Promise<unknown>[]>(
  steps: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(steps)
  return await Promise.all(steps)
}

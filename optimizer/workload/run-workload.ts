/** Runs an image once and returns what it read, in order. The story of a recording on one screen. */
import { raiseLoopback } from '../../native/network.ts'
import { PreconditionError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Access, Counters, MarkKind } from '../../shared/messages.ts'
import type { Digest } from '../image/digest.ts'
import type { ImageConfig } from '../image/manifest.ts'
import { ContainerExec } from './container-exec.ts'
import { ContainerTask } from './container-task.ts'
import type { EarlyNotifier } from './early-notifier.ts'
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
import type { StopReason } from './stop-rules/stop-plan.ts'
import { stopSignalNumber } from './stop-signal.ts'
import { type LineSink, TaskOutput } from './task-output.ts'
import { readUpperFiles, type UpperFiles } from './upper-files.ts'

/** No image has more accounts than this; what is larger is not read. */
const ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024

export interface WorkloadRequest {
  image: { name: string; config: ImageConfig }
  /** Of the unpacked image. @see unpack.ts */
  chainId: Digest | ''
  options: WorkloadOptions
  /** Gets the workload's output, a line at a time. */
  output: LineSink
  notifier: EarlyNotifier
  /** Aborting it ends the run; its reason is thrown. */
  signal: AbortSignal
  /** For the stop rule that waits for a person. */
  nextInterrupt?: NextInterrupt
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
 *   WORKLOAD_NOT_READY
 * @throws {NotifierError} when the notifier fails or dies
 * @throws {NativeError} MOUNT_FAILED
 */
export async function runWorkload(run: Run, request: WorkloadRequest): Promise<WorkloadRun> {
  const { image, options, signal } = request
  const plan = planProcess(image.config.config ?? {}, options)
  const stopSignal = stopSignalNumber(image.config.config?.StopSignal)
  const rootfs = await mountRootfs(run, request.chainId, options.snapshotter)
  const mark = chooseMark(rootfs, options.mark)
  run.log.info(`mark: ${mark.kind} (${mark.reason})`)
  const parts = specParts(run, rootfs, plan, options)
  const newFiles = new NewFileClock()
  const notifier = await request.notifier.watching(rootfs.path)
  notifier.onAccesses = (accesses) => newFiles.see(accesses)
  const output = new TaskOutput(run.folder, request.output)
  run.undo.push("the workload's output", () => output.close())

  const reads = options.recordReads === true && canTellReads(notifier, run.log)
  const spec = runtimeSpec({ ...parts, mountNamespacePath: notifier.namespacePath })
  const task = await createMarked(notifier, { ...mark, reads }, rootfs.path, () =>
    ContainerTask.create(run, {
      imageName: image.name,
      snapshotter: options.snapshotter,
      snapshotKey: rootfs.snapshotKey,
      spec,
      container: options.container,
      output: output.paths,
    }),
  )
  if (!options.netHost) raiseLoopback(task.networkPath)
  signal.throwIfAborted()
  const exec = new ContainerExec(run.containerd.tasks, task.id, spec.process, run.log)
  const stopRules = stopPlan(options, {
    subscribe: (listener) => output.subscribe(listener),
    networkPath: task.networkPath,
    runInContainer: (args, aborted) => exec.run(args, aborted),
    newFiles,
    nextInterrupt: request.nextInterrupt ?? (() => new Promise(() => {})),
  })
  const execution = await execute({ task, notifier, stopSignal, stopRules, options, log: run.log, signal })
  const flushed = await notifier.flush()
  const receivedAtFlush = notifier.accesses.length
  // The notifier's end and the deletions take about as long as each other, and neither needs the other.
  const [stopped] = await all([notifier.stop(), task.remove().then(() => output.drained())])
  hearLastWords(execution, stopRules)
  if (!options.allowFailure) requireSuccess(execution, stopRules, plan, output.lastLines)

  const upper = rootfs.overlay === null ? null : await readUpperFiles(rootfs.overlay, signal)
  const { accesses, sequenceGaps } = notifier
  const unnamedCopyUps = upper?.unnamed.length ?? 0
  const received = accesses.length
  return {
    ...execution,
    accesses,
    counters: stopped,
    upper,
    probePids: exec.pids,
    lost: lossReasons({ flushed, receivedAtFlush, stopped, received, sequenceGaps, unnamedCopyUps }),
    mark,
    reads,
    args: plan.args,
    envNames: plan.env.map((entry) => entry.slice(0, entry.indexOf('='))),
    cwd: plan.cwd,
    user: plan.user,
    mountPoint: rootfs.path,
  }
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
    files: networkFiles(options, run.folder),
    container: options.container,
  }
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
  return overlay !== null
    ? { kind: 'filesystem', reason: 'the root is an overlay: its file system is the container alone' }
    : { kind: 'mount', reason: 'the root is a bind mount: its file system holds more than the container' }
}

function canTellReads({ hello }: NotifierProcess, log: Log): boolean {
  if (hello.capabilities.reads === true) return true
  log.warn(`${hello.program} cannot tell reading from opening: the record is made without --record-reads`)
  return false
}

/**
 * Creates the task and marks: a file system before, so that what the runtime itself reads is seen; a mount after,
 * for only the runtime's pivot makes the container's root mount.
 */
async function createMarked(
  notifier: NotifierProcess,
  mark: WorkloadRun['mark'] & { reads: boolean },
  rootPath: string,
  create: () => Promise<ContainerTask>,
): Promise<ContainerTask> {
  const { reason } = mark
  const events = mark.reads ? { reads: true } : {}
  if (mark.kind === 'filesystem')
    await notifier.mark({ kind: 'filesystem', path: NotifierProcess.pathOf(rootPath), reason, ...events })
  const task = await create().catch(async (error: unknown) => {
    // A notifier that has died takes its namespace along: its own reason is the better one.
    await notifier.flush()
    throw error
  })
  if (mark.kind === 'mount') await notifier.mark({ kind: 'mount', rootPid: task.pid, reason, ...events })
  await notifier.started()
  return task
}

/** Waits for every one, then throws what the first failed one threw. */
async function all<const T extends readonly Promise<unknown>[]>(
  steps: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(steps)
  return await Promise.all(steps)
}

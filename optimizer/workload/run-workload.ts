/** Runs an image once and returns what it read, in order. The story of a recording on one screen. */
import { raiseLoopback } from '../../native/network.ts'
import { CodedError, WorkloadError } from '../../shared/errors.ts'
import type { Access, Counters, MarkKind } from '../../shared/messages.ts'
import type { Digest } from '../image/digest.ts'
import type { ImageConfig } from '../image/manifest.ts'
import { ContainerTask } from './container-task.ts'
import { HOSTNAME, networkFiles } from './network-files.ts'
import { NotifierProcess } from './notifier-process.ts'
import type { WorkloadOptions } from './options.ts'
import { readRootedFile } from './rooted-file.ts'
import { mountRootfs, type Rootfs } from './rootfs.ts'
import type { Run } from './run.ts'
import { type ProcessPlan, planProcess, runtimeSpec, type SpecParts } from './runtime-spec.ts'
import { stopSignalNumber } from './stop-signal.ts'
import { firstEnd, periodRule, type TaskEnd } from './supervise.ts'
import { type LineSink, TaskOutput } from './task-output.ts'
import { resolveUser } from './user.ts'

/** No image has more accounts than this; what is larger is not read. */
const ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024

export interface WorkloadRequest {
  image: { name: string; config: ImageConfig }
  /** Of the unpacked image. @see unpack.ts */
  chainId: Digest | ''
  options: WorkloadOptions
  /** Gets the workload's output, a line at a time. */
  output: LineSink
  /** Aborting it ends the run; its reason is thrown. */
  signal: AbortSignal
}

export interface WorkloadRun {
  /** In order of first access. A path may come again with other kinds; paths may begin with `mountPoint`. */
  accesses: Access[]
  counters: Counters
  /** Why accesses are known to be missing, as phrases; empty when none is. */
  lost: string[]
  mark: { kind: MarkKind; reason: string }
  /** What ended the run: `exit`, or the stop rule's name. */
  stop: { rule: string; reason: string }
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
 * @throws {WorkloadError} WORKLOAD_FAILED when the workload ends by itself with a status other than 0
 * @throws {NotifierError} when the notifier fails or dies
 * @throws {NativeError} MOUNT_FAILED
 */
export async function runWorkload(run: Run, request: WorkloadRequest): Promise<WorkloadRun> {
  const { image, options, signal } = request
  const plan = planProcess(image.config.config ?? {}, options)
  const stopSignal = stopSignalNumber(image.config.config?.StopSignal)
  const rootfs = await mountRootfs(run, request.chainId, options.snapshotter)
  const parts = specParts(run, rootfs, plan, options)
  // The notifier clones the mount namespace: what it shall see is mounted before.
  const notifier = await NotifierProcess.spawn({ log: run.log, signal })
  run.undo.push('the notifier', () => notifier.kill())
  const output = new TaskOutput(run.folder, request.output)
  run.undo.push("the workload's output", () => output.close())

  const mark = chooseMark(rootfs)
  const task = await createMarked(notifier, mark, rootfs.path, () =>
    ContainerTask.create(run, {
      imageName: image.name,
      snapshotter: options.snapshotter,
      snapshotKey: rootfs.snapshotKey,
      spec: runtimeSpec({ ...parts, mountNamespacePath: notifier.namespacePath }),
      output: output.paths,
    }),
  )
  if (!options.netHost) raiseLoopback(`/proc/${task.pid}/ns/net`)
  signal.throwIfAborted()
  const execution = await execute(run, { task, notifier, stopSignal, options, signal })
  const counters = await notifier.flush()
  // The notifier's end and the deletions take about as long as each other, and neither needs the other.
  await all([notifier.stop(), task.remove().then(() => output.drained())])

  const { stop, exitStatus } = execution
  if (stop.rule === 'exit' && exitStatus !== null && exitStatus !== 0)
    throw failed(exitStatus, plan, output.lastLines)
  return {
    ...execution,
    accesses: notifier.accesses,
    counters,
    lost: lostReasons(counters, notifier.sequenceGaps),
    mark,
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
    files: networkFiles(options.netHost, run.folder),
  }
}

function chooseMark(rootfs: Rootfs): WorkloadRun['mark'] {
  return rootfs.isOverlay
    ? { kind: 'filesystem', reason: 'the root is an overlay: its file system is the container alone' }
    : { kind: 'mount', reason: 'the root is a bind mount: its file system holds more than the container' }
}

/**
 * Creates the task and marks: a file system before, so that what the runtime itself reads is seen; a mount after,
 * for only the runtime's pivot makes the container's root mount.
 */
async function createMarked(
  notifier: NotifierProcess,
  mark: WorkloadRun['mark'],
  rootPath: string,
  create: () => Promise<ContainerTask>,
): Promise<ContainerTask> {
  const { reason } = mark
  if (mark.kind === 'filesystem')
    await notifier.mark({ kind: 'filesystem', path: Buffer.from(rootPath), reason })
  const task = await create().catch(async (error: unknown) => {
    // A notifier that has died takes its namespace along: its own reason is the better one.
    await notifier.flush()
    throw error
  })
  if (mark.kind === 'mount') await notifier.mark({ kind: 'mount', rootPid: task.pid, reason })
  await notifier.started()
  return task
}

interface ExecutionParts {
  task: ContainerTask
  notifier: NotifierProcess
  stopSignal: number
  options: WorkloadOptions
  signal: AbortSignal
}

/** From the first instruction to the last. */
async function execute(
  run: Run,
  { task, notifier, stopSignal, options, signal }: ExecutionParts,
): Promise<Pick<WorkloadRun, 'stop' | 'exitStatus' | 'started' | 'durationSeconds'>> {
  const ended = task.wait()
  ended.catch(() => {})
  await task.start()
  const started = new Date()
  const startedAt = performance.now()
  const rules = [periodRule(options.periodSeconds)]
  const end = await firstEnd({ task: ended, notifierEnded: notifier.ended, rules, signal })
  let last: TaskEnd
  let stop: WorkloadRun['stop']
  if (end.by === 'exit') {
    last = end.task
    const status = last.exitStatus === null ? 'an unknown status' : `status ${last.exitStatus}`
    stop = { rule: 'exit', reason: `the workload ended with ${status}` }
  } else if (end.by === 'rule') {
    run.log.info(`stopping the workload: ${end.reason}`)
    last = await task.stop({ ended, stopSignal, graceSeconds: options.stopTimeoutSeconds, signal })
    stop = { rule: end.rule, reason: end.reason }
  } else {
    throw await deathOf(notifier)
  }
  return { ...last, stop, started, durationSeconds: (performance.now() - startedAt) / 1000 }
}

/** Any question to a dead notifier is answered with the reason of its death. */
async function deathOf(notifier: NotifierProcess): Promise<unknown> {
  return await notifier.flush().then(
    () => new CodedError('NOTIFIER_DIED', 'the notifier ended while the workload ran'),
    (reason: unknown) => reason,
  )
}

function failed(exitStatus: number, plan: ProcessPlan, lastLines: readonly string[]): WorkloadError {
  const said = lastLines.length === 0 ? 'it printed nothing' : `it said last:\n${lastLines.join('\n')}`
  const foreign = lastLines.some((line) => /exec format error/.test(line))
  const hint = foreign ? '; its command is not a program for this machine' : ''
  return new WorkloadError(
    'WORKLOAD_FAILED',
    `the workload ${JSON.stringify(plan.args)} ended with status ${exitStatus}${hint}: nothing is written; ${said}`,
  )
}

function lostReasons(counters: Counters, sequenceGaps: number): string[] {
  const reasons: [count: number, what: string][] = [
    [counters.overflows, "overflows of the kernel's event queue"],
    [counters.descriptorErrors, 'events without a descriptor'],
    [counters.unresolved, 'events whose path could not be read'],
    [sequenceGaps, "gaps in the notifier's messages"],
  ]
  return reasons.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
}

/** Waits for every one, then throws what the first failed one threw. */
async function all(steps: Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(steps)).find((result) => result.status === 'rejected')
  if (failure) throw failure.reason
}

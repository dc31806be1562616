/** One container and its task in containerd: created, started, stopped, removed. */
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkloadError } from '../../shared/errors.ts'
import { ContainerdError, detailsOf } from '../containerd/errors.ts'
import type { StreamPaths } from '../containerd/tasks.ts'
import type { Run } from './run.ts'
import type { ContainerOptions } from './spec/container-options.ts'
import { initTakesSignal } from './stop-signal.ts'
import { startTask, type TaskEnd, waitForTask } from './supervise.ts'
import { endTask } from './teardown.ts'
import type { TerminalSize } from './terminal/terminal-mode.ts'
import { killWorkload } from './workload-cgroup.ts'

export interface ContainerRequest {
  imageName: string
  snapshotter: string
  snapshotKey: string
  spec: unknown
  /** Its labels are besides those of the run. */
  container?: Pick<ContainerOptions, 'labels' | 'runtime'> | undefined
  /** FIFOs whose other ends are open. */
  streams: StreamPaths
}

const KILLED_TIMEOUT_MS = 10_000

export class ContainerTask {
  readonly id: string
  /** The container's init process in our pid namespace. */
  readonly pid: number
  readonly #run: Run
  readonly #remove: () => Promise<void>

  private constructor(run: Run, pid: number, remove: () => Promise<void>) {
    this.#run = run
    this.id = run.id
    this.pid = pid
    this.#remove = remove
  }

  /**
   * Everything up to the workload's first instruction.
   * @throws {WorkloadError} COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, TASK_FAILED
   */
  static async create(run: Run, request: ContainerRequest): Promise<ContainerTask> {
    const { id, containerd, undo } = run
    const { imageName, snapshotter, snapshotKey, spec, streams, container } = request
    const removeContainer = undo.push(`the container ${id}`, () => containerd.containers.delete(id))
    await containerd.containers.create({
      id,
      image: imageName,
      labels: { ...container?.labels, ...run.labels },
      snapshotter,
      snapshotKey,
      spec,
      runtime: container?.runtime,
    })
    // A container deleted before its task would leave the task behind, out of reach.
    const removeTask = undo.push(`the task ${id}`, () =>
      endTask(containerd.tasks, id).catch(async (error: unknown) => {
        // Nobody else is left to end it; `clean` removes the rest once containerd is back.
        await killWorkload(id)
        throw error
      }),
    )
    try {
      const { pid } = await containerd.tasks.create(id, streams)
      return new ContainerTask(run, pid, () => removeTask().then(removeContainer))
    } catch (error) {
      throw creationError(error)
    }
  }

  /** Its network namespace, the host's where it has none of its own. */
  get networkPath(): string {
    return `/proc/${this.pid}/ns/net`
  }

  /** The end of the task; to be asked for before the start. */
  wait(): Promise<TaskEnd> {
    return waitForTask(this.#run.containerd.tasks, this.id, this.#run.log)
  }

  async start(): Promise<void> {
    await startTask(this.#run.containerd.tasks, this.id, this.#run.log)
  }

  /** The end of its input; whoever writes to the FIFO closes it first. */
  async closeStdin(): Promise<void> {
    await this.#run.containerd.tasks.closeStdin(this.id)
  }

  async resizeTerminal(size: TerminalSize): Promise<void> {
    await this.#run.containerd.tasks.resizeTerminal(this.id, size)
  }

  /**
   * Asks the workload to end, and makes it end after a grace. A signal that it would never see is not waited for.
   * @param ended what {@link ContainerTask.wait} returned
   * @throws the reason of `signal`; {WorkloadError} TASK_UNKILLABLE
   */
  async stop(options: {
    ended: Promise<TaskEnd>
    stopSignal: number
    graceSeconds: number
    signal: AbortSignal
  }): Promise<TaskEnd> {
    const { ended, stopSignal, graceSeconds, signal } = options
    const { tasks } = this.#run.containerd
    if (initTakesSignal(this.pid, stopSignal)) {
      await tasks.kill(this.id, stopSignal, 'init')
      const end = await within(ended, graceSeconds * 1000, signal)
      if (end !== null) return end
      this.#run.log.info(
        `the workload did not end within ${graceSeconds} s of signal ${stopSignal}: killing it`,
      )
    }
    await tasks.kill(this.id, constants.signals.SIGKILL, 'all')
    const end = await within(ended, KILLED_TIMEOUT_MS, signal)
    if (end !== null) return end
    throw new WorkloadError(
      'TASK_UNKILLABLE',
      `the workload did not end within ${KILLED_TIMEOUT_MS / 1000} s of SIGKILL`,
    )
  }

  /** Removes task and container. */
  async remove(): Promise<void> {
    await this.#remove()
  }
}

/** Null when the time is over first. */
async function within<T>(promise: Promise<T>, milliseconds: number, signal: AbortSignal): Promise<T | null> {
  signal.throwIfAborted()
  const over = new AbortController()
  const abort = () => over.abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const late = delay(milliseconds, null, { signal: over.signal }).catch(() => null)
    const result = await Promise.race([promise, late])
    if (result === null) signal.throwIfAborted()
    return result
  } finally {
    signal.removeEventListener('abort', abort)
    over.abort()
  }
}

/** The runtime's words about a command that cannot be run, as a sentence. */
function creationError(error: unknown): unknown {
  if (!(error instanceof ContainerdError)) return error
  const details = detailsOf(error)
  const options = { cause: error }
  const [, command, why = ''] = /exec: "(.*?)": ([^:]*(?:: [^:]*)?)/s.exec(details) ?? []
  if (command !== undefined && /not found in \$PATH/.test(why))
    return new WorkloadError(
      'COMMAND_NOT_FOUND',
      `the image has no command ${JSON.stringify(command)} in its PATH: check --entrypoint, --args and what --env makes of PATH`,
      options,
    )
  if (command !== undefined && /not found|no such file/.test(why))
    return new WorkloadError(
      'COMMAND_NOT_FOUND',
      `the image has no command ${JSON.stringify(command)}, or lacks the interpreter it names: check --entrypoint and --args`,
      options,
    )
  if (command !== undefined && /permission denied|is a directory/.test(why))
    return new WorkloadError(
      'COMMAND_NOT_EXECUTABLE',
      `${JSON.stringify(command)} in the image cannot be executed (${why.replace(/: unknown$/, '')}): check --entrypoint, --args and --user`,
      options,
    )
  const hint = HINTS.find(([pattern]) => pattern.test(details))?.[1]
  const words = details.replace(/: unknown$/, '')
  return new WorkloadError(
    'TASK_FAILED',
    `the runtime could not create the workload: ${words}${hint === undefined ? '' : `; ${hint}`}`,
    options,
  )
}

/** Which option may be meant by the runtime's words. */
const HINTS: [RegExp, string][] = [
  [/setting rlimit/, 'a --ulimit is above what containerd may give (nofile: /proc/sys/fs/nr_open at most)'],
  [
    /unable to apply caps|set(?:ting)? capabilities/,
    'a --cap-add is a capability that containerd itself lacks',
  ],
  [
    /error mounting .*not a directory/s,
    'a file is shown over a file, a folder over a folder: check --volume and --mount',
  ],
  [
    /failed to resolve runtime path|failed to retrieve OCI runtime/,
    'check --runtime: it is no runtime, or not installed',
  ],
]

/** A task across a time in which containerd does not answer. */
import { setTimeout as delay } from 'node:timers/promises'
import { NotFoundError } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { ContainerdUnavailableError } from '../../containerd/errors.ts'
import type { Tasks } from '../../containerd/tasks.ts'
import type { TaskEnd } from '../engine.ts'

const RETRY_SECONDS = 10
const RETRY_INTERVAL_MS = 100

/** A time in which containerd does not answer: borne for 10 s, then it is an error. */
class Outage {
  readonly #log: Log
  #since: number | null = null

  constructor(log: Log) {
    this.#log = log
  }

  get isUnderWay(): boolean {
    return this.#since !== null
  }

  /** Resolves when it is worth another try. @throws `error` when it is something else, or lasts too long */
  async bear(error: unknown): Promise<void> {
    if (!(error instanceof ContainerdUnavailableError)) throw error
    if (this.#since === null) this.#log.warn('containerd went away; waiting for it to come back')
    this.#since ??= performance.now()
    if (performance.now() - this.#since > RETRY_SECONDS * 1000) throw error
    await delay(RETRY_INTERVAL_MS)
  }

  end(): void {
    this.#log.info('containerd is back')
    this.#since = null
  }
}

/**
 * The end of a task, also across a restart of containerd. A task that ends while containerd is away is lost to
 * some versions (1.7 and later): its exit status is unknown then.
 *
 * @throws {ContainerdUnavailableError} when containerd stays away for more than 10 s
 */
export async function waitForTask(
  tasks: Pick<Tasks, 'wait' | 'status'>,
  id: string,
  log: Log,
): Promise<TaskEnd> {
  const outage = new Outage(log)
  for (;;) {
    try {
      if (outage.isUnderWay) {
        // Answers to a status prove that containerd is back; Wait itself may answer hours later.
        await tasks.status(id)
        outage.end()
      }
      return { exitStatus: await tasks.wait(id) }
    } catch (error) {
      if (error instanceof NotFoundError) {
        log.warn(`containerd no longer knows the task ${id}: it has ended, its exit status is unknown`)
        return { exitStatus: null }
      }
      await outage.bear(error)
    }
  }
}

/**
 * Starts a task. When containerd goes away meanwhile the answer is lost, and the start perhaps not.
 * @throws {ContainerdUnavailableError} when containerd stays away for more than 10 s
 */
export async function startTask(tasks: Pick<Tasks, 'start' | 'status'>, id: string, log: Log): Promise<void> {
  const outage = new Outage(log)
  for (;;) {
    try {
      if (outage.isUnderWay) {
        const status = await tasks.status(id)
        outage.end()
        if (status !== 'created') return
      }
      return await tasks.start(id)
    } catch (error) {
      // A task that has ended and is forgotten was started: its end is waited for beside this.
      if (error instanceof NotFoundError && outage.isUnderWay) return
      await outage.bear(error)
    }
  }
}

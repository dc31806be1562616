/** Commands run beside the workload, in its container. */
import { CodedError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Tasks } from '../containerd/tasks.ts'
import { untilAborted } from './stop-rules/until.ts'

export class ContainerExec {
  /** Of every command run so far, in our pid namespace; what they fork is not among them. */
  readonly pids = new Set<number>()
  readonly #tasks: Tasks
  readonly #id: string
  readonly #process: Record<string, unknown>
  readonly #log: Log
  #count = 0

  /** @param process of the workload, in the form of a runtime spec: the commands run as it does */
  constructor(tasks: Tasks, containerId: string, process: Record<string, unknown>, log: Log) {
    this.#tasks = tasks
    this.#id = containerId
    this.#process = process
    this.#log = log
  }

  /**
   * Runs a command to its end; an abort ends it.
   * @returns its exit status; null when it could not be run
   * @throws the signal's reason
   */
  async run(args: readonly string[], signal: AbortSignal): Promise<number | null> {
    signal.throwIfAborted()
    const execId = `exec-${++this.#count}`
    try {
      const { pid } = await this.#tasks.exec(this.#id, execId, { ...this.#process, args })
      this.pids.add(pid)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      const say = this.#count === 1 ? 'warn' : 'debug'
      this.#log[say](`cannot run ${JSON.stringify(args)} in the container (yet): ${messageOf(error)}`)
      return null
    }
    try {
      return await untilAborted(this.#tasks.wait(this.#id, { execId }), signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof CodedError) return null
      throw error
    } finally {
      // What is still there is removed with the task.
      await this.#tasks.endExec(this.#id, execId).catch(() => {})
    }
  }
}

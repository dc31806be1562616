/** Service Tasks: running containers. */
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { Status, TasksService } from './generated/tasks.ts'

/** Creating a task runs the runtime, with hooks; deleting one waits up to 10 s for unread output. */
const RUNTIME_TIMEOUT_SECONDS = 120

export type TaskStatus = 'created' | 'running' | 'stopped' | 'other'

export class Tasks {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Runs the runtime up to the workload's first instruction; never cancelled, for a task might come to be all the
   * same. containerd mounts nothing, the spec names the root.
   * @param output FIFOs that somebody has open for reading
   * @returns pid of the container's init process in our pid namespace
   */
  async create(id: string, output: { stdout: string; stderr: string }): Promise<{ pid: number }> {
    const { pid } = await this.#connection.unary(
      TasksService.create,
      { containerId: id, rootfs: [], stdin: '', ...output, terminal: false },
      { what: what(id), timeoutSeconds: RUNTIME_TIMEOUT_SECONDS },
    )
    return { pid }
  }

  async start(id: string): Promise<void> {
    await this.#connection.unary(
      TasksService.start,
      { containerId: id },
      { what: what(id), timeoutSeconds: RUNTIME_TIMEOUT_SECONDS },
    )
  }

  /**
   * Answers when the task has ended, at once when it had ended before.
   * @returns exit status, 128 + signal when a signal ended it
   * @throws {NotFoundError} @throws {ContainerdUnavailableError} when the daemon goes away meanwhile
   */
  async wait(id: string, options: { timeoutSeconds?: number } = {}): Promise<number> {
    const { exitStatus } = await this.#connection.unary(
      TasksService.wait,
      { containerId: id },
      { what: what(id), timeoutSeconds: options.timeoutSeconds ?? Number.POSITIVE_INFINITY },
    )
    return exitStatus
  }

  /** @throws {NotFoundError} */
  async status(id: string): Promise<TaskStatus> {
    const { process } = await this.#connection.unary(
      TasksService.get,
      { containerId: id },
      { what: what(id) },
    )
    switch (process?.status) {
      case Status.CREATED:
        return 'created'
      case Status.RUNNING:
        return 'running'
      case Status.STOPPED:
        return 'stopped'
    }
    return 'other'
  }

  /**
   * @param target `init` or every process of the task
   * @returns false when there was no such task or it had ended
   */
  async kill(id: string, signalNumber: number, target: 'init' | 'all'): Promise<boolean> {
    const request = { containerId: id, signal: signalNumber, all: target === 'all' }
    return await ifFound(this.#connection.unary(TasksService.kill, request, { what: what(id) }))
  }

  /** The task must have ended, and its output must be read meanwhile. @returns false when there was no such task */
  async delete(id: string): Promise<boolean> {
    const options = { what: what(id), timeoutSeconds: RUNTIME_TIMEOUT_SECONDS }
    return await ifFound(this.#connection.unary(TasksService.delete, { containerId: id }, options))
  }
}

function what(id: string): string {
  return `the task ${id}`
}

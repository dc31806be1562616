/** Service Tasks: running containers. */
import { constants } from 'node:os'
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { Status, TasksService } from './generated/tasks.ts'
import { specJson } from './spec-json.ts'

/** Creating a task runs the runtime, with hooks; deleting one waits up to 10 s for unread output. */
const RUNTIME_TIMEOUT_SECONDS = 120
const KILLED_TIMEOUT_SECONDS = 10
/** No output at all would be one that cannot be written to: a process that prints would fail. */
const DISCARDED = 'file:///dev/null'
const PROCESS_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Process'

export type TaskStatus = 'created' | 'running' | 'stopped' | 'other'

/** Where a task reads and writes: FIFOs that somebody has open at their other end. */
export interface StreamPaths {
  /** Empty: /dev/null. */
  stdin: string
  stdout: string
  /** Empty for a task with a terminal, whose stdout has it all. */
  stderr: string
  /** As the spec's process says. */
  terminal: boolean
}

export class Tasks {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Runs the runtime up to the workload's first instruction; never cancelled, for a task might come to be all the
   * same. containerd mounts nothing, the spec names the root.
   * @returns pid of the container's init process in our pid namespace
   */
  async create(id: string, streams: StreamPaths): Promise<{ pid: number }> {
    const { pid } = await this.#connection.unary(
      TasksService.create,
      { containerId: id, rootfs: [], ...streams },
      { what: what(id), timeoutSeconds: RUNTIME_TIMEOUT_SECONDS },
    )
    return { pid }
  }

  async start(id: string): Promise<void> {
    await this.#startProcess(id, '')
  }

  /**
   * Runs another process in the container, without input.
   * @param execId names it among the container's processes
   * @param process of an OCI runtime spec, as JSON goes; limits may be bigint
   * @param output FIFOs that somebody has open for reading; without them it is discarded
   * @returns its pid in our pid namespace
   */
  async exec(
    id: string,
    execId: string,
    process: unknown,
    output: { stdout: string; stderr: string } = { stdout: DISCARDED, stderr: DISCARDED },
  ): Promise<{ pid: number }> {
    const value = Buffer.from(specJson(process))
    const spec = { typeUrl: PROCESS_TYPE, value }
    const request = { containerId: id, execId, spec, ...output }
    await this.#connection.unary(TasksService.exec, request, { what: what(id) })
    try {
      return await this.#startProcess(id, execId)
    } catch (error) {
      await this.deleteExec(id, execId)
      throw error
    }
  }

  /** The end of the task's input; whoever writes to its FIFO closes it first. @returns false when there was no such task */
  async closeStdin(id: string): Promise<boolean> {
    const request = { containerId: id, stdin: true }
    return await ifFound(this.#connection.unary(TasksService.closeIo, request, { what: what(id) }))
  }

  /** In characters; of a task that has a terminal. @returns false when there was no such task */
  async resizeTerminal(id: string, size: { columns: number; rows: number }): Promise<boolean> {
    const request = { containerId: id, width: size.columns, height: size.rows }
    return await ifFound(this.#connection.unary(TasksService.resizePty, request, { what: what(id) }))
  }

  /** Kills the process, if it still runs, and forgets it. @returns false when there was none */
  async endExec(id: string, execId: string): Promise<boolean> {
    const request = { containerId: id, execId, signal: constants.signals.SIGKILL, all: false }
    await ifFound(this.#connection.unary(TasksService.kill, request, { what: what(id) }))
    await ifFound(this.wait(id, { execId, timeoutSeconds: KILLED_TIMEOUT_SECONDS }))
    return await this.deleteExec(id, execId)
  }

  /** Forgets a process that has ended. @returns false when there was none */
  async deleteExec(id: string, execId: string): Promise<boolean> {
    const request = { containerId: id, execId }
    return await ifFound(this.#connection.unary(TasksService.deleteProcess, request, { what: what(id) }))
  }

  async #startProcess(id: string, execId: string): Promise<{ pid: number }> {
    return await this.#connection.unary(
      TasksService.start,
      { containerId: id, execId },
      { what: what(id), timeoutSeconds: RUNTIME_TIMEOUT_SECONDS },
    )
  }

  /**
   * Answers when the task, or the process that `execId` names, has ended; at once when it had ended before.
   * @returns exit status, 128 + signal when a signal ended it
   * @throws {NotFoundError} @throws {ContainerdUnavailableError} when the daemon goes away meanwhile
   */
  async wait(id: string, options: { execId?: string; timeoutSeconds?: number } = {}): Promise<number> {
    const { exitStatus } = await this.#connection.unary(
      TasksService.wait,
      { containerId: id, execId: options.execId ?? '' },
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
    const request = { containerId: id, execId: '', signal: signalNumber, all: target === 'all' }
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

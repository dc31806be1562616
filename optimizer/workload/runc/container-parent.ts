/**
 * The parent of a container's process: a small program of ours, as a shim is to containerd. It learns how the process
 * ends, has the other end of its terminal, and kills it when this program is gone. @see native/src/container.cc
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { launcherPath } from '../../../native/addon.ts'
import { CodedError, messageOf } from '../../../shared/errors.ts'

export interface ParentRequest {
  /** The runtime's program and its arguments: it creates a process, notes its pid and ends. */
  command: readonly string[]
  /** Written by the runtime. */
  pidFile: string
  /** Made by the parent, for the terminal's other end; null for a process without one. */
  consoleSocket: string | null
  /** When the runtime has had enough time: it is killed then. */
  limit?: AbortSignal
  /** Descriptors, or 'ignore'. */
  stdio: readonly [stdin: number | 'ignore', stdout: number | 'ignore', stderr: number | 'ignore']
}

/** The runtime ended with another status than 0. Code: RUNTIME_FAILED. */
export class RuntimeFailedError extends CodedError {
  constructor(status: number) {
    super('RUNTIME_FAILED', `the runtime ended with status ${status}`)
  }
}

/** Options for this process' Node, and a service manager's sockets, are not meant for a container. */
export function runtimeEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NOTIFY_SOCKET: __, LISTEN_FDS: ___, ...env } = process.env
  return env
}

export class ContainerParent {
  /** Of the process, in our pid namespace. */
  readonly pid: number
  /** Its exit status, 128 + signal; null when it could not be learned. Never rejects. */
  readonly ended: Promise<number | null>
  readonly #socket: Socket

  private constructor(pid: number, ended: Promise<number | null>, socket: Socket) {
    this.pid = pid
    this.ended = ended
    this.#socket = socket
  }

  /** @returns once the runtime has ended @throws {RuntimeFailedError} */
  static async start({
    command,
    pidFile,
    consoleSocket,
    stdio,
    limit,
  }: ParentRequest): Promise<ContainerParent> {
    const child = spawn(launcherPath(), ['container', pidFile, consoleSocket ?? '', ...command], {
      stdio: [...stdio, 'pipe'],
      env: runtimeEnvironment(),
      // A session of its own keeps Ctrl-C away.
      detached: true,
    })
    if (child.pid === undefined) {
      const [cause] = await once(child, 'error')
      throw new CodedError('RUNTIME_FAILED', `cannot start the launcher: ${messageOf(cause)}`, { cause })
    }
    return await ContainerParent.#listen(child, limit)
  }

  static async #listen(child: ChildProcess, limit: AbortSignal | undefined): Promise<ContainerParent> {
    const socket = child.stdio[3] as Socket
    socket.on('error', () => {})
    // Nobody wants the container any more: the parent kills the runtime and what it has made.
    const giveUp = () => socket.end()
    limit?.addEventListener('abort', giveUp, { once: true })
    return await new Promise((resolve, reject) => {
      let end = (_: number | null) => {}
      const ended = new Promise<number | null>((told) => {
        end = told
      })
      const lines = createInterface({ input: socket }).on('error', () => {})
      lines.on('line', (line) => {
        const [word, number] = line.split(' ')
        if (word === 'created') {
          limit?.removeEventListener('abort', giveUp)
          resolve(new ContainerParent(Number(number), ended, socket))
        }
        if (word === 'failed') reject(new RuntimeFailedError(Number(number)))
        if (word === 'ended') end(Number(number) < 0 ? null : Number(number))
      })
      child.once('close', (status) => {
        end(null)
        reject(new RuntimeFailedError(status ?? 0))
      })
    })
  }

  /** Nothing happens when the process has ended. */
  signal(signalNumber: number): void {
    this.#say(`signal ${signalNumber}`)
  }

  resize({ columns, rows }: { columns: number; rows: number }): void {
    this.#say(`size ${columns} ${rows}`)
  }

  /** Kills the process, if it is still there, and waits for its end. */
  async end(): Promise<void> {
    this.#socket.end()
    await this.ended
  }

  #say(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\n`)
  }
}

/** A program with runc's command line, for one container: its state is in a folder of the run's own. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { CodedError, messageOf } from '../../../shared/errors.ts'
import {
  ContainerParent,
  type ParentRequest,
  RuntimeFailedError,
  runtimeEnvironment,
} from './container-parent.ts'

/** In the run folder: what the runtime notes of the container. */
export const STATE_FOLDER = 'state'
/** How long a command of the runtime may take; creating and starting run hooks. */
const LIMIT_SECONDS = 60

/** What a runtime said when it failed. Code: RUNTIME_FAILED. */
export class RuntimeError extends CodedError {
  constructor(words: string, options: { cause?: unknown } = {}) {
    super('RUNTIME_FAILED', words, options)
  }
}

/** It did not end in time, and was killed. */
export class RuntimeStuckError extends RuntimeError {
  constructor(command: string, limitSeconds: number) {
    super(`${command} has not ended within ${limitSeconds} s and was killed`)
  }
}

export class Runtime {
  readonly program: string
  readonly #runFolder: string
  readonly #limitSeconds: number
  #calls = 0

  constructor(program: string, runFolder: string, limitSeconds = LIMIT_SECONDS) {
    this.program = program
    this.#runFolder = runFolder
    this.#limitSeconds = limitSeconds
  }

  /** What a person would type, for a command without a process to leave behind. */
  commandLine(args: readonly string[]): string {
    return [this.program, '--root', join(this.#runFolder, STATE_FOLDER), ...args].join(' ')
  }

  /** Runs a command to its end. @throws {RuntimeError} with the runtime's own words; {RuntimeStuckError} */
  async run(args: readonly string[]): Promise<void> {
    const log = this.#newLog()
    const [program, ...words] = this.#command(log, args) as [string, ...string[]]
    const child = spawn(program, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: runtimeEnvironment(),
      detached: true,
    })
    let isStuck = false
    const limit = setTimeout(() => {
      isStuck = true
      killGroup(child.pid)
    }, this.#limitSeconds * 1000)
    const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(messageOf(error))))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const said = child.stderr === null ? '' : await Promise.race([text(child.stderr), failed])
    const status = await Promise.race([ended, failed])
    clearTimeout(limit)
    if (status === 0) return rmSync(log, { force: true })
    if (isStuck) throw new RuntimeStuckError(`${basename(program)} ${args[0]}`, this.#limitSeconds)
    throw new RuntimeError(wordsIn(log) ?? `${basename(program)} ${args[0]}: ${said.trim()}`)
  }

  /**
   * Runs a command that leaves a process behind.
   * @throws {RuntimeError} with the runtime's own words
   */
  async leave(
    args: readonly string[],
    request: Omit<ParentRequest, 'command' | 'pidFile' | 'limit'>,
  ): Promise<ContainerParent> {
    const log = this.#newLog()
    const pidFile = `${log}.pid`
    const console = request.consoleSocket === null ? [] : ['--console-socket', request.consoleSocket]
    const [verb, ...rest] = args as [string, ...string[]]
    const command = this.#command(log, [verb, '--pid-file', pidFile, ...console, ...rest])
    const limit = AbortSignal.timeout(this.#limitSeconds * 1000)
    try {
      return await ContainerParent.start({ ...request, command, pidFile, limit })
    } catch (cause) {
      if (limit.aborted) throw new RuntimeStuckError(`${basename(this.program)} ${verb}`, this.#limitSeconds)
      if (!(cause instanceof RuntimeFailedError)) throw cause
      throw new RuntimeError(wordsIn(log) ?? cause.message, { cause })
    }
  }

  #newLog(): string {
    return join(this.#runFolder, `runtime-${++this.#calls}`)
  }

  #command(log: string, args: readonly string[]): string[] {
    const state = join(this.#runFolder, STATE_FOLDER)
    return [this.program, '--root', state, '--log', log, '--log-format', 'json', ...args]
  }
}

/** With whatever it has started: its output ends with the last of them. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** The last error in a runtime's log: runc's and crun's lines are JSON. */
function wordsIn(log: string): string | undefined {
  if (!existsSync(log)) return undefined
  const lines = readFileSync(log, 'utf8').split('\n')
  return lines
    .flatMap((line) => {
      try {
        const { level, msg } = JSON.parse(line) as { level?: string; msg?: string }
        return ['error', 'fatal'].includes(level ?? '') && msg !== undefined ? [msg] : []
      } catch {
        return []
      }
    })
    .at(-1)
}

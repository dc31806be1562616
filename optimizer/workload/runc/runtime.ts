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
/** How long what was killed is waited for: the kernel cannot end what waits for a disk or a device. */
const KILLED_SECONDS = 5

/** What a runtime said when it failed. Code: RUNTIME_FAILED. */
export class RuntimeError extends CodedError {
  constructor(words: string, options: { cause?: unknown } = {}) {
    super('RUNTIME_FAILED', words, options)
  }
}

/** It did not end in time, and was killed, in vain perhaps. */
export class RuntimeStuckError extends RuntimeError {
  constructor(command: string, limitSeconds: number, hasEnded = true) {
    super(
      `${command} has not ended within ${limitSeconds} s and was killed${hasEnded ? '' : ', which has not ended it either'}`,
    )
  }
}

export class Runtime {
  readonly program: string
  readonly #runFolder: string
  readonly #limitSeconds: number
  readonly #killedSeconds: number
  #calls = 0

  constructor(
    program: string,
    runFolder: string,
    limitSeconds = LIMIT_SECONDS,
    killedSeconds = KILLED_SECONDS,
  ) {
    this.program = program
    this.#runFolder = runFolder
    this.#limitSeconds = limitSeconds
    this.#killedSeconds = killedSeconds
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
    let limit: NodeJS.Timeout | undefined
    const givenUp = new Promise<null>((resolve) => {
      limit = setTimeout(() => {
        isStuck = true
        killGroup(child.pid)
        limit = setTimeout(() => resolve(null), this.#killedSeconds * 1000)
      }, this.#limitSeconds * 1000)
    })
    const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(messageOf(error))))
    const ended = new Promise<unknown>((resolve) => child.once('close', resolve))
    const said = child.stderr === null ? '' : await Promise.race([text(child.stderr), failed, givenUp])
    await Promise.race([ended, failed, givenUp])
    clearTimeout(limit)
    // Of one that was given up neither its end nor that of its words is waited for any more.
    child.stderr?.destroy()
    child.unref()
    if (child.exitCode === 0) return rmSync(log, { force: true })
    const command = `${basename(program)} ${args[0]}`
    const hasEnded = child.exitCode !== null || child.signalCode !== null
    if (isStuck) throw new RuntimeStuckError(command, this.#limitSeconds, hasEnded)
    throw new RuntimeError(wordsIn(log) ?? `${command}: ${said?.trim()}`)
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

/** The optimizer's end of the notifier: spawn, handshake, verbs, and what to know when it dies. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { launcherPath } from '../../native/addon.ts'
import { Connection } from '../../shared/connection.ts'
import { CodedError, EXIT, type ExitCode, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import {
  type Access,
  type Counters,
  decodeFromNotifier,
  type ErrorMessage,
  type FromNotifier,
  type FromOptimizer,
  type Hello,
  type Mark,
  PROTOCOL_VERSION,
  requireSameMajor,
} from '../../shared/messages.ts'

/**
 * Codes: NOTIFIER_DIED (ended without being told to), NOTIFIER_SILENT (no answer in time), NOTIFIER_FAILED (it said
 * why; `reported` has it), NOTIFIER_UNEXPECTED_MESSAGE, NOTIFIER_NAMESPACE_SHARED.
 */
export class NotifierError extends CodedError {
  readonly reported: ErrorMessage | undefined

  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; exitCode?: ExitCode; reported?: ErrorMessage } = {},
  ) {
    super(code, message, options)
    this.reported = options.reported
  }
}

/** How the notifier's process ended. */
export interface NotifierEnd {
  code: number | null
  signal: NodeJS.Signals | null
  /** Last lines of its stderr. */
  stderrTail: string
}

export interface NotifierSpawnOptions {
  log: Log
  /** Aborting it kills the notifier and rejects with the signal's reason. */
  signal?: AbortSignal
  /** Name and version for `hello`. */
  program?: string
  /** Deadline of every answer, restarted by each message that arrives. */
  answerSeconds?: number
  /** Entry of the notifier. */
  entry?: string
  /** Absolute path of a program in place of Node and that entry. */
  command?: string | undefined
}

/** What to mark and why; see Mark. */
export type MarkRequest =
  | Omit<Extract<Mark, { path: Buffer }>, 'type'>
  | Omit<Extract<Mark, { rootPid: number }>, 'type'>

type Answer = Exclude<FromNotifier, { type: 'accesses' } | { type: 'error' }>

interface Waiting {
  type: Answer['type']
  resolve(answer: Answer): void
  reject(error: unknown): void
  deadline: NodeJS.Timeout
}

const ANSWER_SECONDS = 10
const STDERR_TAIL_CHARACTERS = 4096
const NOTIFIER_ENTRY = fileURLToPath(new URL('../../notifier/main.js', import.meta.url))

export class NotifierProcess {
  /** Also the first process of its mount namespace. */
  readonly pid: number
  /** Resolves when the process has ended, for whatever reason; never rejects. */
  readonly ended: Promise<NotifierEnd>
  /** First accesses in order; a path may come again with new kinds. */
  readonly accesses: Access[] = []
  /** Times the sequence had a gap: accesses are missing. */
  sequenceGaps = 0
  /** Called with accesses as they arrive. */
  onAccesses: ((accesses: readonly Access[]) => void) | undefined

  readonly #connection: Connection<FromNotifier, FromOptimizer>
  readonly #options: NotifierSpawnOptions
  readonly #detachSignal: () => void
  #hello: Hello | undefined
  #waiting: Waiting | undefined
  #failure: unknown
  #nextSequence = 0
  #isGone = false
  #stderrTail = ''

  private constructor(child: ChildProcess, pid: number, options: NotifierSpawnOptions) {
    this.pid = pid
    this.#options = options
    this.#connection = new Connection(child.stdio[3] as Socket, decodeFromNotifier)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keepStderr(text))
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#isGone = true
        resolve({ code, signal, stderrTail: this.#stderrTail.trim() })
      })
    })
    const abort = () => this.#fail(options.signal?.reason)
    options.signal?.addEventListener('abort', abort, { once: true })
    this.#detachSignal = () => options.signal?.removeEventListener('abort', abort)
  }

  /**
   * Starts the notifier in a clone of the current mount namespace.
   * @returns after both sides said hello
   * @throws {NotifierError | MessageError}
   */
  static async spawn(options: NotifierSpawnOptions): Promise<NotifierProcess> {
    options.signal?.throwIfAborted()
    const command =
      options.command === undefined ? [process.execPath, options.entry ?? NOTIFIER_ENTRY] : [options.command]
    const args = [String(process.pid), ...command, '--fd', '3']
    // Options for this process' Node are not meant for the notifier's; a session of its own keeps Ctrl-C away.
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(launcherPath(), args, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env,
      detached: true,
    })
    if (child.pid === undefined) {
      const [cause] = await once(child, 'error')
      throw new NotifierError('NOTIFIER_DIED', `cannot start the notifier: ${messageOf(cause)}`, { cause })
    }
    const notifier = new NotifierProcess(child, child.pid, options)
    try {
      await notifier.#greet()
    } catch (error) {
      await notifier.kill()
      throw error
    }
    return notifier
  }

  get hello(): Hello {
    return this.#hello as Hello
  }

  /** For the runtime spec's mount namespace. Valid while the notifier lives. */
  get namespacePath(): string {
    return `/proc/${this.pid}/ns/mnt`
  }

  /**
   * How the notifier reaches a path of this process' view: its own root is as old as its namespace, and has nothing that
   * was mounted since.
   */
  static pathOf(path: string): Buffer {
    return Buffer.from(`/proc/${process.pid}/root${path}`)
  }

  /** Resolves when the mark is in place. */
  async mark(mark: MarkRequest): Promise<void> {
    await this.#ask({ type: 'mark', ...mark }, 'marked')
  }

  /** Ends phase create: what comes from now on counts as the workload's. To be awaited before its start. */
  async started(): Promise<void> {
    await this.#ask({ type: 'started' }, 'started')
  }

  /** An exact barrier: every access before this call is in `accesses` when it resolves. */
  async flush(): Promise<Counters> {
    const answer = await this.#ask({ type: 'flush' }, 'flushed')
    return (answer as Extract<Answer, { type: 'flushed' }>).counters
  }

  /** Flushes and ends the notifier. @returns its last account, when its process is gone */
  async stop(): Promise<Counters> {
    const answer = await this.#ask({ type: 'stop' }, 'stopped')
    const end = await this.ended
    if (end.code !== 0) throw died(end, 'after "stopped"')
    return (answer as Extract<Answer, { type: 'stopped' }>).counters
  }

  /** Ends the notifier now, if it is still there. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#kill()
    await this.ended
  }

  async #greet(): Promise<void> {
    const greeting = this.#wait('hello')
    this.#receive()
    const own: Hello = {
      type: 'hello',
      version: PROTOCOL_VERSION,
      program: this.#options.program ?? 'optimizer',
      pid: process.pid,
      capabilities: {},
    }
    this.#send(own)
    const hello = (await greeting) as Hello
    requireSameMajor(hello)
    this.#hello = hello
    if (readlinkSync(this.namespacePath) === readlinkSync('/proc/self/ns/mnt')) {
      // A runtime that joins it would pivot the host.
      throw new NotifierError(
        'NOTIFIER_NAMESPACE_SHARED',
        `the notifier, process ${this.pid}, is in the mount namespace of the optimizer`,
      )
    }
  }

  async #ask(message: FromOptimizer, answer: Answer['type']): Promise<Answer> {
    const waiting = this.#wait(answer)
    this.#send(message)
    return await waiting
  }

  /** When it cannot be sent, the notifier is gone, and the wait for its answer rejects with the better reason. */
  #send(message: FromOptimizer): void {
    this.#connection.send(message).catch(() => undefined)
  }

  #wait(type: Answer['type']): Promise<Answer> {
    if (this.#waiting !== undefined)
      throw new TypeError(`asked for "${type}" before "${this.#waiting.type}" came`)
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const seconds = this.#options.answerSeconds ?? ANSWER_SECONDS
      const deadline = setTimeout(() => {
        this.#fail(
          new NotifierError(
            'NOTIFIER_SILENT',
            `the notifier did not answer with "${type}" within ${seconds} s`,
          ),
        )
      }, seconds * 1000)
      this.#waiting = { type, resolve, reject, deadline }
    })
  }

  /** Runs until the connection ends. */
  async #receive(): Promise<void> {
    try {
      for await (const message of this.#connection.messages()) this.#dispatch(message)
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'CONNECTION_LOST') this.#fail(error)
    }
    await this.#connection.close()
    const asked =
      this.#waiting === undefined ? 'while nothing was asked of it' : `before "${this.#waiting.type}"`
    // It closed its end and goes by itself; a moment later it is not asked any more.
    const patience = setTimeout(() => this.#kill(), 1000)
    const end = await this.ended
    clearTimeout(patience)
    this.#detachSignal()
    this.#fail(died(end, asked))
  }

  #dispatch(message: FromNotifier): void {
    if (message.type === 'error') {
      this.#fail(failed(message))
      return
    }
    this.#waiting?.deadline.refresh()
    if (message.type === 'accesses') {
      this.#collect(message.sequence, message.entries)
      return
    }
    const waiting = this.#waiting
    if (waiting?.type !== message.type) {
      const expected = waiting === undefined ? 'nothing' : `"${waiting.type}"`
      this.#fail(
        new NotifierError(
          'NOTIFIER_UNEXPECTED_MESSAGE',
          `the notifier sent "${message.type}" when ${expected} was expected`,
        ),
      )
      return
    }
    this.#waiting = undefined
    clearTimeout(waiting.deadline)
    waiting.resolve(message)
  }

  #collect(sequence: number, entries: Access[]): void {
    if (sequence !== this.#nextSequence) {
      this.sequenceGaps++
      this.#options.log.warn(
        `accesses are missing: the notifier's message ${this.#nextSequence} did not come before ${sequence}`,
      )
    }
    this.#nextSequence = sequence + 1
    const from = this.accesses.length
    for (const entry of entries) this.accesses.push(entry)
    this.onAccesses?.(this.accesses.slice(from))
  }

  /** The first reason counts. The notifier ends, and so does every wait. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#kill()
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) return
    clearTimeout(waiting.deadline)
    waiting.reject(error)
  }

  /** With all in its session: where a program has started the notifier proper, that one holds on to our pipes. */
  #kill(): void {
    if (this.#isGone) return
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // They have ended.
    }
  }

  #keepStderr(text: string): void {
    this.#options.log.debug(`notifier: ${text.trimEnd()}`)
    this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARACTERS)
  }
}

function died(end: NotifierEnd, when: string): NotifierError {
  const how = end.signal === null ? `with status ${end.code}` : `by ${end.signal}`
  const said = end.stderrTail === '' ? '' : `; it said: ${end.stderrTail}`
  return new NotifierError('NOTIFIER_DIED', `the notifier ended ${how} ${when}${said}`, {
    exitCode: end.stderrTail.startsWith('unshare 1 ') ? EXIT.precondition : EXIT.unexpected,
  })
}

const EPERM = 1

function failed(reported: ErrorMessage): NotifierError {
  return new NotifierError('NOTIFIER_FAILED', `the notifier failed: ${reported.message}`, {
    reported,
    exitCode: reported.errno === EPERM ? EXIT.precondition : EXIT.unexpected,
  })
}

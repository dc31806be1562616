/**
 * The notifier's side of the protocol: hello, mark, started, accesses, flush, stop.
 * @see docs/protocol.md, "Order"
 */
import type { FanotifyGroup } from '../native/fanotify.ts'
import { NativeError } from '../native/system-error.ts'
import { type Connection, ConnectionError } from '../shared/connection.ts'
import { CodedError, messageOf } from '../shared/errors.ts'
import {
  type Capabilities,
  type Counters,
  type ErrorMessage,
  type FromNotifier,
  type FromOptimizer,
  type Mark,
  PROTOCOL_VERSION,
  requireSameMajor,
} from '../shared/messages.ts'
import { AccessStream } from './accesses.ts'

/** A message came when it makes no sense. Code: UNEXPECTED_MESSAGE. */
export class SessionError extends CodedError {}

/** Reads of the kernel's queue per turn of the event loop, so that the optimizer's messages are heard in between. */
const READS_PER_TURN = 4
const ERROR_CHARACTERS_MAX = 4000

/** What a session needs of a fanotify group. */
export type FileWatch = Pick<
  FanotifyGroup,
  'mark' | 'markMountOfRoot' | 'read' | 'onceReadable' | 'forgetSeen' | 'counters' | 'close'
>

export interface SessionOptions {
  program: string
  capabilities: Capabilities
  group: FileWatch
}

export class Session {
  readonly #connection: Connection<FromOptimizer, FromNotifier>
  readonly #options: SessionOptions
  readonly #group: FileWatch
  readonly #accesses = new AccessStream()
  #marked = false
  #ended = false
  #failure: unknown
  /** Reading and answering take turns, so that what was read before an answer is also sent before it. */
  #turn: Promise<void> = Promise.resolve()

  constructor(connection: Connection<FromOptimizer, FromNotifier>, options: SessionOptions) {
    this.#connection = connection
    this.#options = options
    this.#group = options.group
  }

  /**
   * Serves the optimizer until it says stop or is gone, which is an ordinary end.
   * @throws what went wrong, after it was sent as an `error` message
   */
  async run(): Promise<void> {
    try {
      await this.#serve()
    } catch (error) {
      await this.#fail(error)
    }
    this.#ended = true
    this.#group.close()
    await this.#connection.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  async #serve(): Promise<void> {
    await this.#connection.send(hello(this.#options))
    let greeted = false
    for await (const message of this.#connection.messages()) {
      if (!greeted) greet(message)
      else await this.#inTurn(() => this.#answer(message))
      greeted = true
      if (this.#ended) return
    }
  }

  /** Tells the optimizer, and ends the loop over its messages. */
  async #fail(error: unknown): Promise<void> {
    this.#ended = true
    if (error instanceof ConnectionError || this.#failure !== undefined) return
    this.#failure = error
    await sendError(this.#connection, error)
    await this.#connection.close()
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(task)
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #answer(message: FromOptimizer): Promise<void> {
    switch (message.type) {
      case 'mark':
        return this.#mark(message)
      case 'started':
        return this.#started()
      case 'flush':
        return this.#flushed('flushed')
      case 'stop':
        this.#ended = true
        return this.#flushed('stopped')
      case 'error':
        // The optimizer gives up; it closes, and there is nothing to answer.
        this.#ended = true
        return
      case 'hello':
        throw unexpected(message.type, 'after the first')
    }
  }

  async #mark(mark: Mark): Promise<void> {
    if (this.#marked) throw unexpected('mark', 'after "mark"')
    const events = { reads: mark.reads === true }
    if ('rootPid' in mark) this.#group.markMountOfRoot(mark.rootPid, events)
    else this.#group.mark(mark.kind, mark.path, events)
    this.#marked = true
    await this.#connection.send({ type: 'marked', kind: mark.kind, reason: mark.reason })
    this.#awaitEvents()
  }

  async #started(): Promise<void> {
    if (!this.#marked) throw unexpected('started', 'before "mark"')
    if (this.#accesses.started) throw unexpected('started', 'after "started" or "flush"')
    await this.#drain()
    // What the runtime's init has opened must be seen again when the workload opens it.
    this.#group.forgetSeen()
    await this.#start()
    await this.#connection.send({ type: 'started' })
  }

  async #start(): Promise<void> {
    await this.#send(this.#accesses.start(nowMicroseconds()))
  }

  async #flushed(type: 'flushed' | 'stopped'): Promise<void> {
    await this.#drain()
    if (!this.#accesses.started) await this.#start()
    await this.#connection.send({ type, counters: this.#counters() })
  }

  /** Reads until the kernel has nothing more: whatever was accessed before is sent when this resolves. */
  async #drain(): Promise<void> {
    while (await this.#readOnce()) {
      // Each read sends what it found.
    }
  }

  async #readOnce(): Promise<boolean> {
    const batch = this.#group.read()
    if (batch === null) return false
    await this.#send(this.#accesses.add(batch))
    return true
  }

  async #send(frames: Buffer | null): Promise<void> {
    if (frames !== null) await this.#connection.sendFrames(frames)
  }

  #awaitEvents(): void {
    this.#group.onceReadable(() => {
      this.#inTurn(() => this.#readSome()).catch((error) => this.#fail(error))
    })
  }

  async #readSome(): Promise<void> {
    if (this.#ended) return
    let reads = 0
    while (reads < READS_PER_TURN && (await this.#readOnce())) reads++
    // While the socket is full, this line is not reached: the kernel's queue is the buffer.
    if (!this.#ended) this.#awaitEvents()
  }

  #counters(): Counters {
    const kernel = this.#group.counters
    return {
      read: kernel.read,
      merged: kernel.merged,
      sent: this.#accesses.sent,
      overflows: kernel.overflows,
      descriptorErrors: kernel.descriptorErrors,
      unresolved: kernel.unresolved,
      deleted: kernel.deleted,
      ignoredOwn: kernel.ignoredOwn,
    }
  }
}

function greet(message: FromOptimizer): void {
  if (message.type !== 'hello') throw unexpected(message.type, 'before "hello"')
  requireSameMajor(message)
}

export function hello(options: { program: string; capabilities: Capabilities }): FromNotifier {
  return {
    type: 'hello',
    version: PROTOCOL_VERSION,
    program: options.program,
    pid: process.pid,
    capabilities: options.capabilities,
  }
}

/** Tells the optimizer what went wrong, if it still listens. */
export async function sendError(
  connection: Connection<FromOptimizer, FromNotifier>,
  error: unknown,
): Promise<void> {
  await connection.send(errorMessage(error)).catch(() => undefined)
}

function errorMessage(error: unknown): ErrorMessage {
  const message: ErrorMessage = {
    type: 'error',
    code: error instanceof CodedError ? error.code : 'UNEXPECTED',
    stage: (error instanceof NativeError ? error.syscall : undefined) ?? 'session',
    message: messageOf(error).slice(0, ERROR_CHARACTERS_MAX),
  }
  if (error instanceof NativeError && error.errno !== undefined) message.errno = error.errno
  return message
}

function unexpected(type: string, when: string): SessionError {
  return new SessionError('UNEXPECTED_MESSAGE', `the optimizer sent "${type}" ${when}`)
}

/** On the clock of FileAccess.readMicroseconds. */
function nowMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

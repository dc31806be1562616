/**
 * The command of a stand-alone run: started in a clone of the mount namespace, held back until its mounts are marked.
 * native/src/launcher.cc has the other side.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { launcherPath } from '../../native/addon.ts'
import { endForwarding, forwardSignals } from '../../native/signals.ts'
import { CodedError, EXIT, messageOf, PreconditionError } from '../../shared/errors.ts'
import { environmentNames, type Identity, splitZeros, type Target, type TargetEnd } from './target.ts'

/** The command was not run. Code: COMMAND_NOT_RUN; `status` is what a shell would end with: 127 or 126. */
export class CommandError extends CodedError {
  readonly status: number

  constructor(message: string, status: number) {
    super('COMMAND_NOT_RUN', message)
    this.status = status
  }
}

export interface CommandOptions {
  words: string[]
  /** Root directory of the command; nothing: ours. */
  root: string | undefined
}

const READY = 'ready\n'

export class Command implements Target {
  readonly pid: number
  readonly identity: Identity
  readonly ended: Promise<TargetEnd>
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #words: Buffer[]
  readonly #environment: Buffer
  /** Also after an error of its, as when the launcher was killed before it was told to begin. */
  readonly #closed: Promise<void>
  /** What the launcher has said. */
  #said = ''

  private constructor(child: ChildProcess, pid: number, options: CommandOptions) {
    this.pid = pid
    this.#child = child
    this.#socket = child.stdio[3] as Socket
    this.#words = exactWords(options.words)
    this.#environment = readFileSync('/proc/self/environ')
    this.identity = {
      args: options.words,
      envNames: environmentNames(this.#environment),
      // As a link, which stays when the folder is removed.
      cwd: options.root === undefined ? readlinkSync('/proc/self/cwd') : '/',
      user: `${process.getuid?.()}:${process.getgid?.()}`,
    }
    this.#socket.on('error', () => undefined)
    this.#closed = new Promise((resolve) => this.#socket.once('close', () => resolve()))
    this.#socket.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text
    })
    this.ended = this.#end()
    this.ended.catch(() => undefined)
  }

  /** @throws {CodedError} when there can be no namespace for it; nothing has been run */
  static async prepare(options: CommandOptions): Promise<Command> {
    const child = spawn(launcherPath(), ['command', String(process.ppid), options.root ?? ''], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    })
    if (child.pid === undefined) {
      const [cause] = await once(child, 'error')
      throw new CodedError('LAUNCHER_FAILED', `cannot start the launcher: ${messageOf(cause)}`, { cause })
    }
    forwardSignals(child.pid)
    const command = new Command(child, child.pid, options)
    await command.#ready()
    return command
  }

  async #ready(): Promise<void> {
    const closed = this.#closed
    while (!this.#said.includes('\n') && !this.#socket.destroyed)
      await Promise.race([once(this.#socket, 'data'), closed])
    if (this.#said.startsWith(READY)) {
      this.#said = this.#said.slice(READY.length)
      return
    }
    await this.ended.catch(() => undefined)
    const [stage = 'the launcher', , ...text] = this.#said.trim().split(' ')
    const why = this.#said === '' ? 'it was interrupted' : `${stage}: ${text.join(' ')}`
    throw new PreconditionError(
      'NAMESPACE_FAILED',
      `cannot prepare a mount namespace for the command: ${why}`,
    )
  }

  begin(): void {
    const arguments_ = this.#words.map(withZero)
    const count = withZero(Buffer.from(String(arguments_.length)))
    const payload = Buffer.concat([count, ...arguments_, this.#environment])
    const header = Buffer.from(Uint32Array.of(payload.length).buffer)
    this.#socket.write(Buffer.concat([header, payload]))
  }

  cancel(): void {
    this.#socket.destroy()
  }

  async #end(): Promise<TargetEnd> {
    const [status, signal] = (await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null]
    endForwarding()
    await this.#closed
    const failure = /^execvp \d+ (.*)$/m.exec(this.#said)
    if (failure !== null)
      throw new CommandError(`cannot run ${this.identity.args[0]}: ${failure[1]}`, status ?? EXIT.unexpected)
    const how = signal === null ? `with status ${status}` : `by ${signal}`
    return { status, signal, rule: 'exit', reason: `the command ended ${how}` }
  }
}

/** The last words of our own command line, byte for byte: Node has decoded them, and not all bytes are UTF-8. */
function exactWords(words: readonly string[]): Buffer[] {
  const exact = splitZeros(readFileSync('/proc/self/cmdline')).slice(-words.length)
  const same =
    exact.length === words.length && exact.every((bytes, index) => bytes.toString() === words[index])
  return same ? exact : words.map((word) => Buffer.from(word))
}

function withZero(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.of(0)])
}

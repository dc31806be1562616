/**
 * Where the list goes: a descriptor, written to in order. Not a stream of Node's: those make a pipe non-blocking, and
 * stdout and stderr are the command's too.
 */
import { close, openSync, write } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import { messageOf, PreconditionError, systemCodeOf, UsageError } from '../../shared/errors.ts'

const writeSome = promisify(write) as (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
) => Promise<{ bytesWritten: number }>
const closeDescriptor = promisify(close)

const STDOUT = 1
const STDERR = 2
const RETRY_MILLISECONDS = 5

/** The list could not be written. Code: OUTPUT_FAILED. */
export class OutputError extends PreconditionError {}

export class Output {
  readonly name: string
  readonly isTerminal: boolean
  readonly #descriptor: number
  #closed = false
  #failure: OutputError | undefined

  private constructor(name: string, descriptor: number) {
    this.name = name
    this.#descriptor = descriptor
    this.isTerminal = isatty(descriptor)
  }

  static stderr(): Output {
    return new Output('stderr', STDERR)
  }

  /** @param target a file, which is emptied; `-` is stdout, nothing stderr */
  static to(target: string | undefined): Output {
    if (target === undefined) return Output.stderr()
    if (target === '-') return new Output('stdout', STDOUT)
    try {
      return new Output(target, openSync(target, 'w'))
    } catch (cause) {
      throw new UsageError(
        'OPTION_INVALID',
        `--output ${target}: it cannot be written (${messageOf(cause)})`,
        { cause },
      )
    }
  }

  /** Resolves when all is written. After a failure the rest is dropped: the command goes on; `end` tells. */
  async write(content: string | Uint8Array): Promise<void> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    for (let offset = 0; offset < bytes.length && !this.#closed; ) {
      try {
        offset += (await writeSome(this.#descriptor, bytes, offset)).bytesWritten
      } catch (error) {
        // Somebody else has made this pipe or terminal non-blocking, and it is full.
        if (systemCodeOf(error) === 'EAGAIN') await delay(RETRY_MILLISECONDS)
        else this.#fail(error)
      }
    }
  }

  #fail(cause: unknown): void {
    this.#closed = true
    // A reader that has seen enough, as `head`, is no failure.
    if (systemCodeOf(cause) === 'EPIPE') return
    const message = `the list could not be written to ${this.name}: ${messageOf(cause)}`
    this.#failure = new OutputError('OUTPUT_FAILED', message, { cause })
  }

  /** @throws {OutputError} of whatever has failed since the start */
  async end(): Promise<void> {
    this.#closed = true
    if (this.#descriptor > STDERR) await closeDescriptor(this.#descriptor)
    if (this.#failure !== undefined) throw this.#failure
  }
}

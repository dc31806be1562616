/**
 * The person's own terminal, lent to a workload: it shows what the workload prints, and has its size. With the
 * keyboard, every key goes to the workload but the two that give the terminal back.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { Readable } from 'node:stream'
import { ReadStream, WriteStream } from 'node:tty'
import { PreconditionError } from '../../../shared/errors.ts'
import { DetachKeys } from './detach-keys.ts'
import { RawMode, type TerminalSize, terminalSize } from './terminal-mode.ts'

/** Whatever stdin, stdout and stderr are. */
const PATH = '/dev/tty'

export interface LentTerminalOptions {
  /** Called when the two keys were pressed. */
  onDetach: () => void
  /** Called when it becomes raw, so that lines need a carriage return, and when it is itself again. */
  onRaw: (isRaw: boolean) => void
}

export class LentTerminal {
  readonly #options: LentTerminalOptions
  readonly #screen: WriteStream
  readonly #descriptor: number
  #keys: ReadStream | null = null
  #mode: RawMode | null = null
  #onResize = () => {}

  /** @throws {PreconditionError} TERMINAL_MISSING */
  constructor(options: LentTerminalOptions) {
    this.#options = options
    this.#descriptor = openTerminal()
    // The terminal may go away, by a SIGHUP: that signal tells it.
    this.#screen = new WriteStream(openTerminal()).on('error', () => {})
  }

  get size(): TerminalSize {
    return terminalSize(this.#descriptor)
  }

  show(bytes: Buffer): void {
    this.#screen.write(bytes)
  }

  /** Calls back at every change of the size. */
  watchSize(onChange: (size: TerminalSize) => void): void {
    process.off('SIGWINCH', this.#onResize)
    this.#onResize = () => onChange(this.size)
    process.on('SIGWINCH', this.#onResize)
  }

  /** From now on the keys are the workload's. @throws {PreconditionError} TERMINAL_UNUSABLE */
  takeKeys(): Readable {
    const { onDetach, onRaw } = this.#options
    this.#mode = new RawMode(this.#descriptor)
    onRaw(true)
    const keys = new ReadStream(openTerminal())
    this.#keys = keys
    const detach = new DetachKeys()
    const input = new Readable({ read: () => void keys.resume() })
    keys.on('data', (bytes) => {
      const { rest, times } = detach.take(bytes)
      for (let time = 0; time < times; time++) onDetach()
      if (rest.length > 0 && !input.push(rest)) keys.pause()
    })
    keys.on('error', () => input.push(null))
    return input
  }

  /** Resolves when the terminal is what it was. */
  async giveBack(): Promise<void> {
    process.off('SIGWINCH', this.#onResize)
    this.#keys?.destroy()
    this.#keys = null
    if (this.#mode !== null) {
      await this.#mode.end()
      this.#mode = null
      this.#options.onRaw(false)
    }
    if (this.#screen.destroyed) return
    this.#screen.destroy()
    closeSync(this.#descriptor)
  }
}

/** Known before anything is unpacked. @throws {PreconditionError} TERMINAL_MISSING */
export function requireTerminal(): void {
  closeSync(openTerminal())
}

function openTerminal(): number {
  try {
    return openSync(PATH, constants.O_RDWR | constants.O_NOCTTY)
  } catch (cause) {
    throw new PreconditionError(
      'TERMINAL_MISSING',
      `--terminal shows the workload on the terminal of this command, which has none (${PATH}): run it in one, or leave out --terminal`,
      { cause },
    )
  }
}

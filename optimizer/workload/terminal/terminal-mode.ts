/** Size and mode of a terminal, by stty(1); and a guard that gives the mode back when this process has ended, however. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { PreconditionError } from '../../../shared/errors.ts'

export interface TerminalSize {
  columns: number
  rows: number
}

/** What a terminal that tells none is taken for. */
const SIZE_DEFAULT: TerminalSize = { columns: 80, rows: 24 }

/**
 * Every key goes to whoever reads, as it is, and nothing of the output is changed.
 * `-iexten` is not part of `raw`, and has keys of its own.
 */
const RAW = ['raw', '-echo', '-iexten']

/**
 * It lives on when everything else of the process group is killed or the terminal's keys are pressed, and may set the
 * mode from the background. Its input ends with this process.
 */
const GUARD = 'trap "" HUP INT QUIT TERM TSTP TTOU; read -r _; exec stty "$0" <&3'

/** @param descriptor of the terminal @throws {PreconditionError} TERMINAL_UNUSABLE */
export function terminalSize(descriptor: number): TerminalSize {
  const [rows, columns] = stty(descriptor, ['size']).trim().split(' ').map(Number)
  return rows && columns ? { columns, rows } : SIZE_DEFAULT
}

export class RawMode {
  readonly #guard: ChildProcessByStdio<Writable, null, null>
  readonly #ended: Promise<unknown>

  /**
   * @param descriptor of the terminal
   * @throws {PreconditionError} TERMINAL_UNUSABLE; the mode is then what it was
   */
  constructor(descriptor: number) {
    const before = stty(descriptor, ['-g']).trim()
    this.#guard = spawn('sh', ['-c', GUARD, before], {
      stdio: ['pipe', 'ignore', 'ignore', descriptor],
    }) as ChildProcessByStdio<Writable, null, null>
    this.#guard.stdin.on('error', () => {})
    this.#ended = once(this.#guard, 'close').catch(() => {})
    try {
      stty(descriptor, RAW)
    } catch (error) {
      this.#guard.stdin.end()
      throw error
    }
  }

  /** Resolves when the mode is what it was. */
  async end(): Promise<void> {
    this.#guard.stdin.end()
    await this.#ended
  }
}

function stty(descriptor: number, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('stty', args, {
    stdio: [descriptor, 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  if (error === undefined && status === 0) return stdout
  const why = error?.message ?? stderr.trim()
  throw new PreconditionError(
    'TERMINAL_UNUSABLE',
    `the terminal cannot be lent to the workload: stty ${args.join(' ')}: ${why}; leave out --terminal`,
    { cause: error },
  )
}

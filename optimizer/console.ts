/** What a person sees while a command works: log lines, the workload's output and a live line, all on stderr. */
import type { Log } from '../shared/log.ts'
import { printable } from '../shared/text.ts'

export { formatBytes, printable } from '../shared/text.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'quiet'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

interface Terminal {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

/** A live line is redrawn at most this often. */
const REDRAW_MILLISECONDS = 100

export class Console implements Log {
  readonly #level: number
  readonly #stream: Terminal
  #liveLine = ''
  #drawnAt = 0

  constructor(level: LogLevel, stream: Terminal = process.stderr) {
    this.#level = LOG_LEVELS.indexOf(level)
    this.#stream = stream
  }

  debug(message: string): void {
    if (this.#level <= 0) this.#line(message)
  }

  info(message: string): void {
    if (this.#level <= 1) this.#line(message)
  }

  warn(message: string): void {
    if (this.#level <= 2) this.#line(`warning: ${message}`)
  }

  /** A line that the next one replaces; only on a terminal, never in a log file. */
  live(text: string): void {
    if (!this.#stream.isTTY || this.#level > 1) return
    const now = performance.now()
    if (now - this.#drawnAt < REDRAW_MILLISECONDS && this.#liveLine !== '') return
    this.#drawnAt = now
    this.#liveLine = text.slice(0, (this.#stream.columns ?? 80) - 1)
    this.#stream.write(`\r\x1b[K${this.#liveLine}`)
  }

  /** Takes the live line away. */
  endLive(): void {
    if (this.#liveLine !== '') this.#stream.write('\r\x1b[K')
    this.#liveLine = ''
  }

  #line(message: string): void {
    this.endLive()
    this.#stream.write(`${printable(message)}\n`)
  }
}

export function formatSeconds(seconds: number): string {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`
}

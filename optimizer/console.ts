/** What a person sees while a command works: log lines, the workload's output and a live line, all on stderr. */
import { type Style, styled, wantsColour } from '../shared/colour.ts'
import type { Log, LogFields } from '../shared/log.ts'
import { printable, printableName } from '../shared/text.ts'

export { formatBytes, printable } from '../shared/text.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'quiet'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
/** `json`: an object a line, with `time`, `level`, `message` and what else is known. */
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

interface Terminal {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

export interface ConsoleOptions {
  format?: LogFormat
  stream?: Terminal
  env?: NodeJS.ProcessEnv
}

/** A live line is redrawn at most this often. */
const REDRAW_MILLISECONDS = 100
const COLUMNS_DEFAULT = 80

export class Console implements Log {
  readonly #level: number
  readonly #format: LogFormat
  readonly #stream: Terminal
  readonly #colour: boolean
  readonly #isLive: boolean
  /** Whether the terminal is raw: it then goes to the beginning of a line only when it is told to. */
  isRaw = false
  #liveLine = ''
  #drawnAt = 0

  constructor(
    level: LogLevel,
    { format = 'text', stream = process.stderr, env = process.env }: ConsoleOptions = {},
  ) {
    this.#level = LOG_LEVELS.indexOf(level)
    this.#format = format
    this.#stream = stream
    this.#colour = wantsColour(stream.isTTY === true, env)
    this.#isLive = format === 'text' && stream.isTTY === true && env.TERM !== 'dumb' && this.#level <= 1
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#level <= 0) this.#say('debug', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    if (this.#level <= 1) this.#say('info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#level <= 2) this.#say('warn', message, fields)
  }

  /** Why the command ends; told at every level. */
  error(message: string, fields: LogFields, causes: readonly string[] = []): void {
    this.endLive()
    if (this.#format === 'json') {
      this.#write(jsonLine('error', message, { ...fields, ...(causes.length > 0 ? { causes } : {}) }))
      return
    }
    const code = typeof fields.code === 'string' ? ` [${fields.code}]` : ''
    this.#write(`${this.#paint('optimizer:', 'red')} ${printable(message)}${code}`)
    for (const cause of causes) this.#write(`  caused by: ${printable(cause)}`)
  }

  /** A line that the next one replaces; only on a terminal, never in a log file. */
  live(text: string): void {
    if (!this.#isLive) return
    const now = performance.now()
    if (now - this.#drawnAt < REDRAW_MILLISECONDS && this.#liveLine !== '') return
    this.#drawnAt = now
    // A terminal that nobody has told its size has 0 columns.
    this.#liveLine = [...printableName(text)].slice(0, (this.#stream.columns || COLUMNS_DEFAULT) - 1).join('')
    this.#stream.write(`\r\x1b[K${this.#liveLine}`)
  }

  /** Takes the live line away. */
  endLive(): void {
    if (this.#liveLine !== '') this.#stream.write('\r\x1b[K')
    this.#liveLine = ''
  }

  #say(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.endLive()
    const isJson = this.#format === 'json'
    this.#write(isJson ? jsonLine(level, message, fields) : this.#textLine(level, message, fields))
  }

  #textLine(level: LogLevel, message: string, { stage }: LogFields): string {
    const text = printable(message)
    if (level === 'warn') return `${this.#paint('warning:', 'yellow')} ${text}`
    return typeof stage === 'string' && text.startsWith(stage)
      ? `${this.#paint(stage, 'bold')}${text.slice(stage.length)}`
      : text
  }

  #paint(text: string, style: Style): string {
    return this.#colour ? styled(text, style) : text
  }

  #write(line: string): void {
    const isRaw = this.isRaw && this.#stream.isTTY
    this.#stream.write(isRaw ? `${line.replaceAll('\n', '\r\n')}\r\n` : `${line}\n`)
  }
}

/** JSON leaves the controls beyond ASCII as they are; a terminal does not. */
function jsonLine(level: string, message: string, fields: object): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }).replace(
    /[\x7f-\x9f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function formatSeconds(seconds: number): string {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`
}

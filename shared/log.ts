/** Facts beside a message, for programs that read the log. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>

/** Where a component tells what it does. Always stderr in the end: stdout carries the result alone. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
}

export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {} }

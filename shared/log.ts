/** Where a component tells what it does. Always stderr in the end: stdout carries the result alone. */
export interface Log {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
}

export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {} }

import type { Log } from '../../shared/log.ts'

/** What was told to people, by its level. */
export class LogLines implements Log {
  readonly infos: string[] = []
  readonly warnings: string[] = []

  debug(): void {}

  info(message: string): void {
    this.infos.push(message)
  }

  warn(message: string): void {
    this.warnings.push(message)
  }
}

/** `--settle`: no new file has been opened for a while. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Access } from '../../../shared/messages.ts'
import type { StopRule } from './stop-rule.ts'

/** When the latest new file was told. */
export interface NewFiles {
  /** On the clock of performance.now(). */
  readonly lastAtMs: number
}

/** Accesses as they come → when the latest one was of a file that had not come before. */
export class NewFileClock implements NewFiles {
  readonly #seen = new Set<string>()
  lastAtMs = 0

  see(accesses: readonly Access[]): void {
    for (const { path } of accesses) {
      const before = this.#seen.size
      this.#seen.add(path.toString('latin1'))
      if (this.#seen.size > before) this.lastAtMs = performance.now()
    }
  }
}

/** Counts from the call of `met`: what came before is not waited for again. */
export function settleRule(seconds: number, files: NewFiles): StopRule {
  return {
    name: 'settle',
    met: async (signal) => {
      const since = performance.now()
      for (;;) {
        const restMs = Math.max(since, files.lastAtMs) + seconds * 1000 - performance.now()
        if (restMs <= 0) return `no new file for ${seconds} s`
        await delay(Math.ceil(restMs), undefined, { signal })
      }
    },
  }
}

/** `--period`: a time has passed. */
import { setTimeout as delay } from 'node:timers/promises'
import type { StopRule } from './stop-rule.ts'

const TIMER_MS_MAX = 2 ** 31 - 1

export function periodRule(seconds: number): StopRule {
  return {
    name: 'period',
    met: async (signal) => {
      await delay(Math.min(seconds * 1000, TIMER_MS_MAX), undefined, { signal })
      return `${seconds} s had passed`
    },
  }
}

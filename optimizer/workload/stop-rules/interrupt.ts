/** `--wait-on-signal`: a person, or a script, says that it is enough. */
import type { StopRule } from './stop-rule.ts'

/** Resolves at the next SIGINT, which then interrupts nothing; rejects when `signal` is aborted first. */
export type NextInterrupt = (signal: AbortSignal) => Promise<void>

export function interruptRule(nextInterrupt: NextInterrupt): StopRule {
  return {
    name: 'wait-on-signal',
    met: async (signal) => {
      await nextInterrupt(signal)
      return 'SIGINT came'
    },
  }
}

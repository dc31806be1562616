/** `--ready-exec`: a command in the container ends with status 0. */
import type { StopRule } from './stop-rule.ts'
import { poll } from './until.ts'

const INTERVAL_MS = 250

/**
 * Runs a command in the container, to its end. An abort ends it.
 * @returns its exit status; null when it could not be run
 */
export type RunInContainer = (args: readonly string[], signal: AbortSignal) => Promise<number | null>

export function execRule(args: readonly string[], run: RunInContainer): StopRule {
  const attempt = async (signal: AbortSignal) =>
    (await run(args, signal)) === 0 ? `${JSON.stringify(args)} ended with status 0` : null
  return { name: 'ready-exec', met: (signal) => poll(attempt, INTERVAL_MS, signal) }
}

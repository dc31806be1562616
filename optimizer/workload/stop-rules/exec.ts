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
  const command = JSON.stringify(args)
  let found = `${command} has never ended`
  const attempt = async (signal: AbortSignal) => {
    const status = await run(args, signal)
    // Nobody asks any more: its end says nothing.
    if (!signal.aborted)
      found = status === null ? `${command} cannot be run` : `${command} ended with status ${status}`
    return status === 0 ? found : null
  }
  return {
    name: 'ready-exec',
    met: (signal) => poll(attempt, INTERVAL_MS, signal),
    found: () => found,
  }
}

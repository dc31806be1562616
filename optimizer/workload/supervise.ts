/** The one place that decides when a run is over: exit, stop rule, interruption, the notifier's death. */
import type { TaskEnd } from './engine.ts'
import type { StopReason } from './stop-rules/stop-plan.ts'

export type RunEnd = { by: 'exit'; task: TaskEnd } | { by: 'rule'; stop: StopReason } | { by: 'notifier' }

export interface Supervised {
  task: Promise<TaskEnd>
  notifierEnded: Promise<unknown>
  /** Begins to wait for the stop rules. @see stop-rules/stop-plan.ts */
  over: (signal: AbortSignal) => Promise<StopReason>
  /** Aborted when the person does not want to wait any more; its reason is thrown. */
  signal: AbortSignal
}

/** The first of all that can end a run. */
export async function firstEnd(supervised: Supervised): Promise<RunEnd> {
  const { task, notifierEnded, signal } = supervised
  signal.throwIfAborted()
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over.signal })
  })
  const ruled = supervised.over(over.signal)
  const ends: Promise<RunEnd>[] = [
    aborted,
    task.then((end) => ({ by: 'exit', task: end })),
    // An interruption takes the notifier along: it is the interruption that counts.
    notifierEnded.then(() => {
      signal.throwIfAborted()
      return { by: 'notifier' }
    }),
    ruled.then((stop): RunEnd => ({ by: 'rule', stop })),
  ]
  for (const end of ends) end.catch(() => {})
  try {
    return await Promise.race(ends)
  } finally {
    over.abort()
    // Nothing of the rules is left running.
    await ruled.catch(() => {})
  }
}

/** What of a run's accesses is known to be missing: both processes count, and their counts are compared. */
import { COUNTER_NAMES, type Counters } from '../../shared/messages.ts'

export interface Accounts {
  /** Of the notifier, at the end of the workload. */
  flushed: Counters
  /** Entries that had arrived when `flushed` did. */
  receivedAtFlush: number
  /** Of the notifier, at its own end. */
  stopped: Counters
  /** Entries that had arrived then. */
  received: number
  /** Numbers left out in the sequence of the messages. */
  sequenceGaps: number
  /** Files copied up whose name in the image cannot be told. */
  unnamedCopyUps: number
}

/** Phrases; none when nothing is known to be missing. */
export function lossReasons(accounts: Accounts): string[] {
  const { flushed, receivedAtFlush, stopped, received, sequenceGaps, unnamedCopyUps } = accounts
  const counts: [count: number, what: string][] = [
    [stopped.overflows, "overflows of the kernel's event queue"],
    [stopped.descriptorErrors, 'events without a descriptor'],
    [stopped.unresolved, 'events whose path could not be read'],
    [sequenceGaps, "gaps in the notifier's messages"],
    [unnamedCopyUps, 'files copied up and renamed whose old name cannot be told'],
  ]
  const reasons = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  if (receivedAtFlush !== flushed.sent)
    reasons.push(`the notifier sent ${flushed.sent} accesses until the flush, ${receivedAtFlush} arrived`)
  if (received !== stopped.sent)
    reasons.push(`the notifier sent ${stopped.sent} accesses, ${received} arrived`)
  const fell = COUNTER_NAMES.filter((name) => stopped[name] < flushed[name])
  if (fell.length > 0) reasons.push(`the notifier counted less at its end than before (${fell.join(', ')})`)
  return reasons
}

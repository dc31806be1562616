/** Ending a workload that does not end by itself. */
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkloadError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Container, TaskEnd } from './engine.ts'
import { initTakesSignal, signalName } from './stop-signal.ts'

const KILLED_TIMEOUT_MS = 10_000

export interface StopRequest {
  /** What {@link Container.wait} returned. */
  ended: Promise<TaskEnd>
  stopSignal: number
  graceSeconds: number
  log: Log
  signal: AbortSignal
}

/**
 * Asks the workload to end, and makes it end after a grace. A signal that it would never see is not waited for.
 * @throws the reason of `signal`; {WorkloadError} TASK_UNKILLABLE
 */
export async function stopContainer(container: Container, request: StopRequest): Promise<TaskEnd> {
  const { ended, stopSignal, graceSeconds, log, signal } = request
  if (initTakesSignal(container.pid, stopSignal)) {
    await container.kill(stopSignal, 'init')
    const end = await within(ended, graceSeconds * 1000, signal)
    if (end !== null) return end
    log.info(`the workload did not end within ${graceSeconds} s of ${signalName(stopSignal)}: killing it`)
  }
  await container.kill(constants.signals.SIGKILL, 'all')
  const end = await within(ended, KILLED_TIMEOUT_MS, signal)
  if (end !== null) return end
  throw new WorkloadError(
    'TASK_UNKILLABLE',
    `the workload did not end within ${KILLED_TIMEOUT_MS / 1000} s of SIGKILL: a disk or a driver may hold it; when it is gone, optimizer clean removes what is left`,
  )
}

/** Null when the time is over first. */
async function within<T>(promise: Promise<T>, milliseconds: number, signal: AbortSignal): Promise<T | null> {
  signal.throwIfAborted()
  const over = new AbortController()
  const abort = () => over.abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const late = delay(milliseconds, null, { signal: over.signal }).catch(() => null)
    const result = await Promise.race([promise, late])
    if (result === null) signal.throwIfAborted()
    return result
  } finally {
    signal.removeEventListener('abort', abort)
    over.abort()
  }
}

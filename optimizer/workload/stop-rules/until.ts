/** Waiting that ends when nobody waits any more. */
import { setTimeout as delay } from 'node:timers/promises'

/** @throws the signal's reason once it is aborted */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const done = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: done.signal })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    done.abort()
  }
}

/**
 * Tries again and again until it works.
 * @param attempt resolves with the reason, or null when it is not so yet
 */
export async function poll(
  attempt: (signal: AbortSignal) => Promise<string | null>,
  intervalMs: number,
  signal: AbortSignal,
): Promise<string> {
  for (;;) {
    signal.throwIfAborted()
    const reason = await attempt(signal)
    if (reason !== null) return reason
    await delay(intervalMs, undefined, { signal })
  }
}

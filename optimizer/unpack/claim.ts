/** A claim on something that only one process may do at a time: a file that names the process. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCodeOf } from '../../shared/errors.ts'
import { formatIdentity, ownIdentity, parseIdentity, stateOf } from '../store/process-identity.ts'

const POLL_MS = 20

/**
 * Waits until nobody that lives has the claim, and takes it.
 * @returns gives it back @throws the signal's reason
 */
export async function claim(path: string, signal: AbortSignal): Promise<() => void> {
  const own = `${path}.${process.pid}`
  writeFileSync(own, formatIdentity(ownIdentity()), { mode: 0o600 })
  try {
    for (;;) {
      signal.throwIfAborted()
      if (take(own, path)) return () => rmSync(path, { force: true })
      if (!isHeld(path)) rmSync(path, { force: true })
      else await delay(POLL_MS)
    }
  } finally {
    rmSync(own, { force: true })
  }
}

/** Whole or not at all: a link appears with what it says. */
function take(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** By a process that lives, or cannot be seen from here. */
function isHeld(path: string): boolean {
  try {
    const identity = parseIdentity(readFileSync(path, 'utf8'))
    return identity !== null && stateOf(identity) !== 'dead'
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    throw error
  }
}

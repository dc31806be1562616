/**
 * A claim on something that only one process may do at a time: a file that is locked for as long as its process lives, in
 * whatever container that is.
 */
import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { tryLock } from './file-lock.ts'

const POLL_MS = 20

/**
 * Waits until nobody that lives has the claim, and takes it.
 * @returns gives it back @throws the signal's reason
 */
export async function claim(path: string, signal: AbortSignal): Promise<() => void> {
  for (;;) {
    signal.throwIfAborted()
    const release = tryClaim(path)
    if (release !== null) return release
    await delay(POLL_MS)
  }
}

/** @returns gives it back; null where somebody has it */
export function tryClaim(path: string): (() => void) | null {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  let isOurs = false
  try {
    isOurs = tryLock(file) && isStillAt(path, file)
  } finally {
    if (!isOurs) closeSync(file)
  }
  if (!isOurs) return null
  return () => {
    rmSync(path, { force: true })
    closeSync(file)
  }
}

/** Whoever had the claim before has removed its file: that one is nobody's. */
function isStillAt(path: string, file: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  const own = fstatSync(file)
  return found !== undefined && found.ino === own.ino && found.dev === own.dev
}

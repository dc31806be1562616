/** What root tests need of the machine, and the reason to skip them where it is missing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FanotifyGroup } from '../../native/fanotify.ts'
import { mount, unmount } from '../../native/mounts.ts'
import { messageOf } from '../../shared/errors.ts'

/**
 * Why tests that mount and watch files cannot run here, or false; found out by doing both.
 * With CI set it is always false: there they must run, and fail where they cannot.
 */
export function skipWithoutFanotify(): string | false {
  if (process.env.CI) return false
  try {
    tryMount()
    new FanotifyGroup().close()
    return false
  } catch (error) {
    return messageOf(error)
  }
}

function tryMount(): void {
  const folder = mkdtempSync(join(tmpdir(), 'optimizer-try-'))
  try {
    mount({ type: 'tmpfs', source: 'tmpfs', target: folder, options: [] })
    unmount(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

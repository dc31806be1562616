/** What `clean` has to know of a run without containerd: in the run folder. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCodeOf } from '../../../shared/errors.ts'

const FILE = 'runc.json'

export interface RuncNotes {
  /** The runtime that has created, or will create, the container. */
  program: string
  /** What the run has in the cache of unpacked layers. */
  useFolder: string
}

/** Adds to what is noted already. */
export function noteRunc(runFolder: string, notes: Partial<RuncNotes>): void {
  const text = JSON.stringify({ ...runcNotes(runFolder), ...notes })
  writeFileSync(join(runFolder, FILE), text, { mode: 0o600 })
}

/** null: the run has to do with no runtime of its own. */
export function runcNotes(runFolder: string): RuncNotes | null {
  try {
    return JSON.parse(readFileSync(join(runFolder, FILE), 'utf8')) as RuncNotes
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null
    throw error
  }
}

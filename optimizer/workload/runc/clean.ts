/** What a killed run without containerd has left. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { removeFolder } from '../../unpack/remove-folder.ts'
import { removeWorkloadCgroup } from '../workload-cgroup.ts'
import { removeContainer } from './container.ts'
import { type RuncNotes, runcNotes } from './notes.ts'
import { Runtime } from './runtime.ts'

/** Tries to remove something; its word is told when it was there. */
export type Attempt = (what: string, step: () => Promise<boolean>) => Promise<void>

/** Before its mounts are unmounted. */
export async function removeRuncContainer(folder: string, id: string, attempt: Attempt): Promise<void> {
  const notes = runcNotes(folder)
  if (notes === null) return
  if (existsSync(notes.program))
    await attempt(`container ${id}`, () => removeContainer(new Runtime(notes.program, folder), id))
  await attempt(`control group ${id}`, () => removeWorkloadCgroup(id))
}

/** What `--cache-dir` was for the run; null where it has unpacked nothing. */
export function cacheOf(folder: string): string | null {
  const { useFolder }: Partial<RuncNotes> = runcNotes(folder) ?? {}
  return useFolder === undefined ? null : join(useFolder, '../../..')
}

/** After that. */
export async function removeRuncFolder(folder: string, attempt: Attempt): Promise<void> {
  const { useFolder }: Partial<RuncNotes> = runcNotes(folder) ?? {}
  if (useFolder !== undefined) await attempt(`folder ${useFolder}`, async () => removeFolder(useFolder))
}

/** What a killed run without containerd has left. */
import { existsSync } from 'node:fs'
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

/** After that. */
export async function removeRuncFolder(folder: string, attempt: Attempt): Promise<void> {
  const { useFolder }: Partial<RuncNotes> = runcNotes(folder) ?? {}
  if (useFolder !== undefined) await attempt(`folder ${useFolder}`, async () => removeFolder(useFolder))
}

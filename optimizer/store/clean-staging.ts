/** Removes what killed runs left beside archives and in layouts: only folders that name their process, and it is dead. */
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { tryClaim } from '../../native/claim.ts'
import { messageOf, PreconditionError } from '../../shared/errors.ts'
import { LAYOUT_FILE } from './layout-index.ts'
import { LOCK_FILE } from './oci-layout.ts'
import { ownerState } from './process-identity.ts'
import { STAGING_PREFIX } from './staging.ts'

export interface StagingReport {
  /** Folders of dead processes, by their names, and what was removed, as nouns. */
  runs: { id: string; removed: string[]; failures: string[] }[]
  /** Those of processes that cannot be seen from here, or that name none (yet): left alone. */
  undecided: string[]
}

/**
 * @param parent a layout, or the folder that an archive is in
 * @throws {PreconditionError} FOLDER_UNREADABLE
 */
export async function cleanStaging(parent: string): Promise<StagingReport> {
  const report: StagingReport = { runs: [], undecided: [] }
  for (const name of await stagingFolders(parent)) {
    const path = join(parent, name)
    const state = ownerState(path)
    if (state === 'unknown') report.undecided.push(path)
    if (state === 'dead') report.runs.push({ id: name, ...(await remove(path)) })
  }
  report.runs.push(...removeLockIfFree(parent))
  return report
}

async function stagingFolders(parent: string): Promise<string[]> {
  try {
    const entries = await readdir(parent, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(STAGING_PREFIX))
      .map(({ name }) => name)
      .sort()
  } catch (cause) {
    throw new PreconditionError('FOLDER_UNREADABLE', `cannot look into ${parent}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

async function remove(path: string): Promise<{ removed: string[]; failures: string[] }> {
  const what = `folder ${path}`
  try {
    await rm(path, { recursive: true })
    return { removed: [what], failures: [] }
  } catch (error) {
    return { removed: [], failures: [`${what}: ${messageOf(error)}`] }
  }
}

/** A lock of the dead holds nobody up; its file goes with the next who takes it, and here. */
function removeLockIfFree(layout: string): StagingReport['runs'] {
  const path = join(layout, LOCK_FILE)
  // Elsewhere, as beside an archive, a file of this name is not ours.
  if (!existsSync(join(layout, LAYOUT_FILE)) || !existsSync(path)) return []
  const what = `lock ${path}`
  try {
    const release = tryClaim(path)
    release?.()
    return release === null ? [] : [{ id: LOCK_FILE, removed: [what], failures: [] }]
  } catch (error) {
    return [{ id: LOCK_FILE, removed: [], failures: [`${what}: ${messageOf(error)}`] }]
  }
}

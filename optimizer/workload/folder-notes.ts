/** What of a run is told by its folder alone. */
import { isAttached } from './cni/attachment.ts'
import { runcNotes } from './runc/notes.ts'

/**
 * Whether the folder of a run that could not be undone has to stay, so that `clean` finds the rest: what containerd has
 * of a run carries its labels and is found without the folder, but a runtime of our own and CNI plugins have no labels.
 */
export function hasNotes(runFolder: string): boolean {
  return runcNotes(runFolder) !== null || isAttached(runFolder)
}

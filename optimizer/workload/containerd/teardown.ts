/** Ending a task: the same steps for a run that is over, one that failed and one that was killed. */
import { constants } from 'node:os'
import { ContainerdError, ifFound } from '../../containerd/errors.ts'
import type { Tasks } from '../../containerd/tasks.ts'

/** SIGKILL needs no time, the runtime's own cleaning a little. */
const KILLED_TIMEOUT_SECONDS = 10

/**
 * Kills every process of the task, waits for its end and deletes it. Somebody must read its output meanwhile.
 * @returns false when there was no such task
 */
export async function endTask(tasks: Tasks, id: string): Promise<boolean> {
  try {
    await tasks.kill(id, constants.signals.SIGKILL, 'all')
  } catch (error) {
    // Some versions refuse to kill what has ended; whether it has, the wait will tell.
    if (!(error instanceof ContainerdError)) throw error
  }
  await ifFound(tasks.wait(id, { timeoutSeconds: KILLED_TIMEOUT_SECONDS }))
  return await tasks.delete(id)
}

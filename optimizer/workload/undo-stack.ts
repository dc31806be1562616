/** What has to be undone when a run ends, however it ends: the last thing made is undone first. */
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'

/**
 * Must be safe to run when the thing is gone already.
 * @param failures how many things made later could not be undone
 */
export type UndoStep = (failures: number) => Promise<unknown> | unknown

interface Entry {
  what: string
  step: UndoStep
}

export class UndoStack {
  readonly #entries: Entry[] = []

  /**
   * @param what the thing made, as a noun
   * @returns undoes this thing now; once that has worked it is off the stack
   */
  push(what: string, step: UndoStep): () => Promise<void> {
    const entry = { what, step }
    this.#entries.push(entry)
    return async () => {
      if (!this.#entries.includes(entry)) return
      await step(0)
      this.#entries.splice(this.#entries.indexOf(entry), 1)
    }
  }

  /** Tries every step, also after one has failed. @returns what failed, each logged as a warning */
  async undoAll(log: Log): Promise<Error[]> {
    const failures: Error[] = []
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry.step(failures.length)
      } catch (cause) {
        const failure = new Error(`could not remove ${entry.what}: ${messageOf(cause)}`, { cause })
        failures.push(failure)
        log.warn(failure.message)
      }
    }
    return failures
  }
}

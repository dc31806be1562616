/** What SIGINT and its like mean at the moment: an end of the program, or a word to whoever waits for one. */
import type { InterruptedError } from '../shared/errors.ts'

export class Interruption {
  readonly #abort = new AbortController()
  readonly #waiting = new Set<() => void>()

  /** Aborted when the program shall end; the reason is an {@link InterruptedError}. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Resolves at the next SIGINT, which then does not end the program. @throws when `signal` is aborted first */
  readonly nextInterrupt = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const stop = () => {
        this.#waiting.delete(take)
        signal.removeEventListener('abort', give)
      }
      const take = () => {
        stop()
        resolve()
      }
      const give = () => {
        stop()
        reject(signal.reason)
      }
      this.#waiting.add(take)
      signal.addEventListener('abort', give, { once: true })
    })

  /** A SIGINT for whoever waits for one. @returns false when nobody does */
  offer(): boolean {
    const takers = [...this.#waiting]
    for (const take of takers) take()
    return takers.length > 0
  }

  abort(reason: InterruptedError): void {
    this.#abort.abort(reason)
  }
}

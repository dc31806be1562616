import type { Log } from '../shared/log.ts'

export interface StageTime {
  name: string
  seconds: number
}

/** The named steps of a command: logged as they begin, timed for the result. */
export class Stages {
  readonly times: StageTime[] = []
  readonly #log: Log
  readonly #begunAt = performance.now()

  constructor(log: Log) {
    this.#log = log
  }

  /** At debug level: something happened at this moment, beside the steps. */
  tell(what: string): void {
    const seconds = (performance.now() - this.#begunAt) / 1000
    this.#log.debug(`${seconds.toFixed(3)} s: ${what}`, { seconds })
  }

  /** @param detail what a person wants to know of this step, e.g. the image's name */
  async run<T>(name: string, detail: string, step: () => Promise<T>): Promise<T> {
    this.#log.info(detail === '' ? name : `${name}: ${detail}`, { stage: name })
    const begunAt = performance.now()
    try {
      return await step()
    } finally {
      const seconds = (performance.now() - begunAt) / 1000
      this.times.push({ name, seconds })
      this.#log.debug(`${name}: ${seconds.toFixed(3)} s`, { stage: name, seconds })
    }
  }
}

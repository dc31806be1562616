import type { Log } from '../shared/log.ts'

export interface StageTime {
  name: string
  seconds: number
}

/** The named steps of a command: logged as they begin, timed for the result. */
export class Stages {
  readonly times: StageTime[] = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** @param detail what a person wants to know of this step, e.g. the image's name */
  async run<T>(name: string, detail: string, step: () => Promise<T>): Promise<T> {
    this.#log.info(detail === '' ? name : `${name}: ${detail}`)
    const begunAt = performance.now()
    try {
      return await step()
    } finally {
      this.times.push({ name, seconds: (performance.now() - begunAt) / 1000 })
    }
  }
}

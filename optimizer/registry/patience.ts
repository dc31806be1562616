/** Waiting before another try: for how long, and told where a person would notice it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../shared/log.ts'
import { codeOfFailure } from './errors.ts'
import type { RegistryLimits } from './settings.ts'

/** Longer waits are told. */
const TOLD_SECONDS = 1
/** Longer ones even to those who want to hear of trouble alone. */
const WARNED_SECONDS = 10

export interface Wait {
  /** Host and port. */
  host: string
  seconds: number
  /** As {@link reasonOf} says it. */
  why: string
  signal: AbortSignal
}

/** Resolves after so many milliseconds; rejects when the signal is aborted. */
export type Sleep = (
  milliseconds: number,
  value: undefined,
  options: { signal: AbortSignal },
) => Promise<void>

/** Shared by all that asks the same hosts: they are turned away together, and one line says it for all. */
export class Patience {
  readonly #log: Log
  readonly #sleep: Sleep
  /** By host, of performance.now(): how long the wait lasts that was told. */
  readonly #toldUntilMs = new Map<string, number>()

  constructor(log: Log, sleep: Sleep = delay) {
    this.#log = log
    this.#sleep = sleep
  }

  /** @throws the signal's reason */
  async wait(wait: Wait): Promise<void> {
    const { seconds, signal } = wait
    if (seconds > TOLD_SECONDS) this.#tell(wait)
    try {
      await this.#sleep(seconds * 1000, undefined, { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  }

  #tell({ host, seconds, why }: Wait): void {
    const untilMs = performance.now() + seconds * 1000
    if (untilMs < (this.#toldUntilMs.get(host) ?? 0) + TOLD_SECONDS * 1000) return
    this.#toldUntilMs.set(host, untilMs)
    const text = `${host} ${why}: waiting ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
    if (seconds > WARNED_SECONDS) this.#log.warn(text)
    else this.#log.info(text)
  }
}

/**
 * Why there is a wait, as the rest of a sentence that begins with the host.
 * @param status null: there was no answer, or not all of it
 */
export function reasonOf(status: number | null, error: unknown): string {
  if (status === 429) return 'has had too many requests (429)'
  if (status !== null) return `answered ${status}`
  const code = codeOfFailure(error)
  return `broke off${code === '' ? '' : ` (${code})`}`
}

/** Where nobody says how long. @param failures so far, one after the other */
export function backOffSeconds({ retrySeconds }: RegistryLimits, failures: number): number {
  // Many who were turned away together do not come back together.
  return retrySeconds * 2 ** (failures - 1) * (0.75 + Math.random() / 2)
}

/** Seconds, or a date. @returns null where there is none */
export function retryAfterSeconds(header: string | undefined): number | null {
  if (header === undefined) return null
  if (/^\s*\d+\s*$/.test(header)) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000)
}

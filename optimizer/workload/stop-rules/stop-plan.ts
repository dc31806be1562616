/** All stop rules of a run together: ready = every ready rule; then driving; then settle; all of it within a bound. */
import { periodRule } from './period.ts'
import type { StopRule } from './stop-rule.ts'
import { untilAborted } from './until.ts'

export const PERIOD_SECONDS_DEFAULT = 10
/** How long ready rules are waited for when nobody says. */
export const READY_SECONDS_DEFAULT = 120

/**
 * @param given.waits for something to be ready or settled
 * @param given.ended by somebody
 * @returns after which a run is over in any case; null: never
 */
export function boundSeconds(given: {
  periodSeconds: number | undefined
  waits: boolean
  ended: boolean
}): number | null {
  const { periodSeconds, waits, ended } = given
  if (periodSeconds === undefined && ended) return null
  return periodSeconds ?? (waits ? READY_SECONDS_DEFAULT : PERIOD_SECONDS_DEFAULT)
}

export interface StopRules {
  /** Each ends the run. */
  ending: readonly StopRule[]
  /** Have to be met, all of them, before anything else counts. */
  ready: readonly StopRule[]
  /** Asked after ready; null: nothing is done to the workload. */
  drive: DriveRule | null
  /** Asked after that; null: that is the end. */
  settle: StopRule | null
  /** As asked for. */
  periodSeconds: number | undefined
}

/** What is done to the workload. @see ../drive/drive.ts */
export interface DriveRule extends StopRule {
  /** All of it has succeeded. */
  readonly done: boolean
}

/** What ended a run, as the record tells it. */
export interface StopReason {
  /** `exit`, or the name of the rule that was the last to be met. */
  rule: string
  /** In words. */
  reason: string
  /** Seconds from the start until ready; null without ready rules, and when it never was. */
  readySeconds: number | null
}

export class StopPlan {
  readonly #rules: StopRules
  /** Whether it was ready; without ready rules it always is. */
  ready: boolean
  readySeconds: number | null = null
  readonly #met = new Set<StopRule>()

  constructor(rules: StopRules) {
    this.#rules = rules
    this.ready = rules.ready.length === 0
  }

  /** Whether all has been done that was to be done; without driving it always has. */
  get driven(): boolean {
    return this.#rules.drive?.done ?? true
  }

  /**
   * To be called at the start of the workload.
   * @returns when the run is over; `ready` and `driven` tell whether that is a success
   */
  async over(signal: AbortSignal): Promise<StopReason> {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const asked: Promise<unknown>[] = []
    const ask = (rule: StopRule): Promise<StopReason> => {
      const met = rule.met(either).then((reason) => {
        this.#met.add(rule)
        return this.#stop(rule.name, reason)
      })
      asked.push(met)
      return met
    }
    try {
      return await this.#first(ask, either)
    } finally {
      over.abort()
      // A rule may have something running.
      await Promise.allSettled(asked)
    }
  }

  /**
   * For a workload that ended by itself, once all of its output was read: its end is known before its last words, by
   * which it may have said that it was ready.
   */
  hearLastWords(endedAfterSeconds: number): void {
    if (this.ready || !this.#rules.ready.every((rule) => this.#met.has(rule) || rule.metByNow?.())) return
    this.ready = true
    this.readySeconds = endedAfterSeconds
  }

  async #first(ask: (rule: StopRule) => Promise<StopReason>, signal: AbortSignal): Promise<StopReason> {
    const { ending, ready, drive, settle, periodSeconds } = this.#rules
    const ends = ending.map(ask)
    const waits = ready.length > 0 || drive !== null || settle !== null
    if (waits) ends.push(this.#readyDrivenSettled(ready.map(ask), ask))
    const seconds = boundSeconds({ periodSeconds, waits, ended: ending.length > 0 })
    if (seconds !== null) ends.push(this.#bound(ask(periodRule(seconds))))
    for (const end of ends) end.catch(() => {})
    return await untilAborted(Promise.race(ends), signal)
  }

  async #readyDrivenSettled(
    ready: Promise<StopReason>[],
    ask: (rule: StopRule) => Promise<StopReason>,
  ): Promise<StopReason> {
    const startedAt = performance.now()
    let last: StopReason | undefined
    for (const rule of ready)
      rule.then(
        (stop) => {
          last = stop
        },
        () => {},
      )
    const reasons = (await Promise.all(ready)).map(({ reason }) => reason)
    this.ready = true
    if (ready.length > 0) this.readySeconds = (performance.now() - startedAt) / 1000
    const { drive, settle } = this.#rules
    const steps = reasons.length === 0 ? [] : [reasons.join(' and ')]
    for (const rule of [drive, settle]) {
      if (rule === null) continue
      last = await ask(rule)
      // What has failed is the reason, whatever went well before.
      if (!this.driven) return this.#stop(last.rule, last.reason)
      steps.push(last.reason)
    }
    return this.#stop(last?.rule ?? '', steps.join(', then '))
  }

  async #bound(period: Promise<StopReason>): Promise<StopReason> {
    const { rule, reason } = await period
    const { ready, drive } = this.#rules
    if (!this.ready) return this.#stop(rule, `${reason} before it was ready (${ready.map(unmet).join(', ')})`)
    if (!this.driven) return this.#stop(rule, `${reason} before it was driven (${drive?.found?.() ?? ''})`)
    if (drive !== null) return this.#stop(rule, `${reason}, driven before`)
    return this.#stop(rule, ready.length === 0 ? reason : `${reason}, ready before`)
  }

  #stop(rule: string, reason: string): StopReason {
    return { rule, reason, readySeconds: this.readySeconds }
  }
}

function unmet({ name, found }: StopRule): string {
  return `--${name}${found === undefined ? '' : `: ${found()}`}`
}

/** Driving: what is done to a workload that is ready, one step after the other, so that its work is recorded, too. */
import type { Log } from '../../../shared/log.ts'
import type { DrivenStep } from '../../../shared/record.ts'
import type { DriveStep, StopOptions } from '../options.ts'
import type { StopRule } from '../stop-rules/stop-rule.ts'
import { type DriveMeans, type StepEnd, takeStep } from './step.ts'

export interface DriveFailure {
  /** Which step failed and how, a phrase. */
  what: string
  /** The last lines of what it said. */
  lastLines: readonly string[]
}

/** Met when every step has succeeded, or one has failed: `done` and `failure` tell which. */
export class Drive implements StopRule {
  /** The steps that have ended. */
  readonly steps: DrivenStep[] = []
  failure: DriveFailure | null = null
  done = false
  readonly #steps: readonly DriveStep[]
  readonly #means: DriveMeans
  readonly #log: Log
  #current: DriveStep

  /** @param steps at least one */
  constructor(steps: readonly DriveStep[], means: DriveMeans, log: Log) {
    this.#steps = steps
    this.#means = means
    this.#log = log
    this.#current = steps[0] as DriveStep
  }

  /** Of the step that was the last to be taken. */
  get name(): string {
    return this.#current.kind
  }

  async met(signal: AbortSignal): Promise<string> {
    for (const step of this.#steps) {
      this.#current = step
      const { status, failed, found, lastLines } = await takeStep(step, this.#means, signal)
      this.steps.push(drivenStep(step, status))
      const what = `--${step.kind} ${formatStep(step)} ${found}`
      if (failed) {
        this.failure = { what, lastLines }
        return what
      }
      this.#log.info(what)
    }
    this.done = true
    return this.#steps.length === 1 ? 'driven by one step' : `driven by ${this.#steps.length} steps`
  }

  found(): string {
    return `--${this.#current.kind} ${formatStep(this.#current)} has not ended`
  }
}

/** How long ports are waited for: a workload that somebody has called ready takes connections, soon. */
const READY_CONNECT_SECONDS = 5

export function connectSeconds(options: StopOptions): number | null {
  const { waitOnLine, waitOnRegex, readyTcp, readyHttp, readyExec } = options
  const rules = [waitOnLine, waitOnRegex, readyTcp, readyHttp, readyExec]
  return rules.some((rule) => rule !== undefined && rule.length > 0) ? READY_CONNECT_SECONDS : null
}

/** As typed, but for secrets: no body, no password. */
export function formatStep(step: DriveStep): string {
  if (step.kind === 'exec') return JSON.stringify(step.args)
  const { origin, pathname, search } = step.url
  return `${step.method} ${origin}${pathname}${search}`
}

function drivenStep(step: DriveStep, status: StepEnd['status']): DrivenStep {
  return step.kind === 'exec' ? { exec: [...step.args], status } : { http: formatStep(step), status }
}

/** The options' stop rules for one run, with what each needs of it. */
import type { StopOptions } from '../options.ts'
import { execRule, type RunInContainer } from './exec.ts'
import { httpRule } from './http.ts'
import { interruptRule, type NextInterrupt } from './interrupt.ts'
import { lineRule, regexRule, type Subscribe } from './output.ts'
import { type NewFiles, settleRule } from './settle.ts'
import { type DriveRule, StopPlan } from './stop-plan.ts'
import { tcpRule } from './tcp.ts'

export interface RunSources {
  /** The workload's output. */
  subscribe: Subscribe
  /** Of the workload's network. */
  networkPath: string
  runInContainer: RunInContainer
  newFiles: NewFiles
  nextInterrupt: NextInterrupt
  /** What is done to it once it is ready. */
  drive: DriveRule | null
}

/** To be made before the workload starts: what it prints at once counts. */
export function stopPlan(options: StopOptions, run: RunSources): StopPlan {
  const { waitOnLine = [], waitOnRegex = [], readyTcp = [], readyHttp = [], readyExec = [] } = options
  return new StopPlan({
    ending: options.waitOnSignal ? [interruptRule(run.nextInterrupt)] : [],
    ready: [
      ...waitOnLine.map((text) => lineRule(text, run.subscribe)),
      ...waitOnRegex.map((pattern) => regexRule(pattern, run.subscribe)),
      ...readyTcp.map((endpoint) => tcpRule(endpoint, run.networkPath)),
      ...readyHttp.map((url) => httpRule(url, run.networkPath)),
      ...readyExec.map((args) => execRule(args, run.runInContainer)),
    ],
    drive: run.drive,
    settle: options.settleSeconds === undefined ? null : settleRule(options.settleSeconds, run.newFiles),
    periodSeconds: options.periodSeconds,
  })
}

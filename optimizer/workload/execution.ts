/** A workload from its first instruction to its last. */
import { CodedError, WorkloadError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Drive } from './drive/drive.ts'
import type { Container, TaskEnd } from './engine.ts'
import type { NotifierProcess } from './notifier-process.ts'
import type { StopOptions } from './options.ts'
import type { ProcessPlan } from './spec/runtime-spec.ts'
import { stopContainer } from './stop-container.ts'
import type { StopPlan, StopReason } from './stop-rules/stop-plan.ts'
import { firstEnd } from './supervise.ts'
import type { WorkloadStreams } from './workload-streams.ts'

export interface Execution {
  stop: StopReason
  /** As a shell shows it (128 + signal); null when it could not be learned. */
  exitStatus: number | null
  started: Date
  durationSeconds: number
}

export interface ExecutionParts {
  container: Container
  notifier: NotifierProcess
  stopSignal: number
  stopRules: StopPlan
  streams: WorkloadStreams
  options: StopOptions
  log: Log
  signal: AbortSignal
}

/** @throws {NotifierError} when the notifier dies meanwhile; the signal's reason */
export async function execute(parts: ExecutionParts): Promise<Execution> {
  const { container, notifier, stopSignal, stopRules, streams, options, log, signal } = parts
  const ended = container.wait()
  ended.catch(() => {})
  await streams.prepare(container)
  await container.start()
  const started = new Date()
  const startedAt = performance.now()
  if (options.waitOnSignal) log.info(`the workload runs until SIGINT (${streams.interruptKeys})`)
  streams.begin(container)
  const end = await firstEnd({
    task: ended,
    notifierEnded: notifier.ended,
    over: (over) => stopRules.over(over),
    signal,
  })
  let last: TaskEnd
  let stop: StopReason
  if (end.by === 'exit') {
    last = end.task
    const status = last.exitStatus === null ? 'an unknown status' : `status ${last.exitStatus}`
    const { readySeconds } = stopRules
    stop = { rule: 'exit', reason: `the workload ended with ${status}`, readySeconds }
  } else if (end.by === 'rule') {
    stop = end.stop
    log.info(`stopping the workload: ${stop.reason}`)
    const { stopTimeoutSeconds: graceSeconds } = options
    last = await stopContainer(container, { ended, stopSignal, graceSeconds, log, signal })
  } else {
    throw await deathOf(notifier)
  }
  return { ...last, stop, started, durationSeconds: (performance.now() - startedAt) / 1000 }
}

/** @see StopPlan.hearLastWords */
export function hearLastWords({ stop, durationSeconds }: Execution, stopRules: StopPlan): void {
  if (stop.rule !== 'exit') return
  stopRules.hearLastWords(durationSeconds)
  stop.readySeconds = stopRules.readySeconds
}

/** @throws {WorkloadError} WORKLOAD_FAILED, WORKLOAD_NOT_READY, DRIVE_FAILED */
export function requireSuccess(
  { stop, exitStatus }: Execution,
  { ready, driven }: Pick<StopPlan, 'ready' | 'driven'>,
  drive: Pick<Drive, 'failure'> | null,
  plan: ProcessPlan,
  lastLines: readonly string[],
): void {
  const said = lastWords('it', lastLines)
  const command = JSON.stringify(plan.args)
  const advice = 'nothing is written (--allow-workload-failure keeps the record all the same)'
  if (stop.rule === 'exit' && exitStatus !== null && exitStatus !== 0) {
    const foreign = lastLines.some((line) => /exec format error/.test(line))
    const hint = foreign ? '; its command is not a program for this machine' : ''
    throw new WorkloadError(
      'WORKLOAD_FAILED',
      `the workload ${command} ended with status ${exitStatus}${hint}: ${advice}; ${said}`,
    )
  }
  if (ready && driven) return
  const failure = drive?.failure ?? null
  if (failure !== null) {
    const answer = failure.lastLines.length === 0 ? '' : `${lastWords('it', failure.lastLines)}\n`
    const own = lastWords(`the workload ${command}`, lastLines)
    throw new WorkloadError('DRIVE_FAILED', `${failure.what}: ${advice}; ${answer}${own}`)
  }
  if (ready) {
    const how = stop.rule === 'exit' ? `${stop.reason} before it was driven` : stop.reason
    throw new WorkloadError('DRIVE_FAILED', `the workload ${command}: ${how}: ${advice}; ${said}`)
  }
  const how = stop.rule === 'exit' ? `${stop.reason} before it was ready` : stop.reason
  throw new WorkloadError('WORKLOAD_NOT_READY', `the workload ${command}: ${how}: ${advice}; ${said}`)
}

function lastWords(who: string, lines: readonly string[]): string {
  return lines.length === 0 ? `${who} printed nothing` : `${who} said last:\n${lines.join('\n')}`
}

/** Any question to a dead notifier is answered with the reason of its death. */
async function deathOf(notifier: NotifierProcess): Promise<unknown> {
  return await notifier.flush().then(
    () => new CodedError('NOTIFIER_DIED', 'the notifier ended while the workload ran'),
    (reason: unknown) => reason,
  )
}

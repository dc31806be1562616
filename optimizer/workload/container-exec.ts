/** Commands run beside the workload, in its container. */
import { CodedError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { detailsOf } from '../containerd/errors.ts'
import type { Container, ExecProcess } from './engine.ts'
import { untilAborted } from './stop-rules/until.ts'
import { type LineSink, TaskOutput } from './task-output.ts'

/** How a command ended. */
export interface ExecEnd {
  /** As a shell shows it (128 + signal); null when it could not be run. */
  status: number | null
  /** The last lines of its output; why, when it could not be run. */
  lastLines: readonly string[]
}

export interface ExecPlace {
  container: Container
  /** Of the workload, in the form of a runtime spec: the commands run as it does, but without a terminal. */
  process: Record<string, unknown>
  runFolder: string
  log: Log
}

export class ContainerExec {
  /** Of every probe run so far, in our pid namespace; what they fork is not among them. */
  readonly probePids = new Set<number>()
  readonly #place: ExecPlace
  readonly #process: Record<string, unknown>
  #probes = 0
  #count = 0

  constructor(place: ExecPlace) {
    this.#place = place
    const { terminal: _, consoleSize: __, ...process } = place.process
    this.#process = process
  }

  /**
   * Runs a command to its end, to see whether the workload is ready; an abort ends it. Its output is discarded.
   * @returns its exit status; null when it could not be run
   * @throws the signal's reason
   */
  async probe(args: readonly string[], signal: AbortSignal): Promise<number | null> {
    const isFirst = ++this.#probes === 1
    const { status, lastLines } = await this.#run(args, signal, null, (pid) => this.probePids.add(pid))
    const say = isFirst ? 'warn' : 'debug'
    if (lastLines.length > 0)
      this.#place.log[say](`cannot run ${JSON.stringify(args)} in the container (yet): ${lastLines[0]}`)
    return status
  }

  /** Runs a command to its end, as part of the workload's use; an abort ends it. @throws the signal's reason */
  async run(args: readonly string[], signal: AbortSignal, sink: LineSink): Promise<ExecEnd> {
    const { runFolder } = this.#place
    const output = new TaskOutput(runFolder, sink, { prefix: `exec-${this.#count + 1}-` })
    try {
      return await this.#run(args, signal, output, () => {})
    } finally {
      output.close()
    }
  }

  async #run(
    args: readonly string[],
    signal: AbortSignal,
    output: TaskOutput | null,
    onPid: (pid: number) => void,
  ): Promise<ExecEnd> {
    const { container } = this.#place
    signal.throwIfAborted()
    const execId = `exec-${++this.#count}`
    let running: ExecProcess
    try {
      running = await container.exec(execId, { ...this.#process, args }, output?.paths)
      onPid(running.pid)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      return { status: null, lastLines: [detailsOf(error)] }
    }
    try {
      const status = await untilAborted(running.wait(), signal)
      await output?.drained()
      return { status, lastLines: output?.lastLines ?? [] }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof CodedError) return { status: null, lastLines: [detailsOf(error)] }
      throw error
    } finally {
      // What is still there is removed with the container.
      await running.end().catch(() => {})
    }
  }
}

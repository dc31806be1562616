/** What a workload reads and prints: FIFOs for the runtime, and at our end of them log lines, our stdin, a terminal. */
import type { Readable } from 'node:stream'
import { CodedError, messageOf } from '../../shared/errors.ts'
import type { Container, StreamPaths } from './engine.ts'
import type { WorkloadOptions } from './options.ts'
import type { Run } from './run.ts'
import { TaskInput } from './task-input.ts'
import { type LineSink, TaskOutput } from './task-output.ts'
import { DETACH_KEYS_NAME } from './terminal/detach-keys.ts'
import { LentTerminal } from './terminal/lent-terminal.ts'

export interface StreamSettings {
  /** Gets the output, a line at a time, unless a terminal shows it. */
  output: LineSink
  /** What goes to an interactive workload without a terminal. */
  input: Readable
  /** Told when lines on the terminal need a carriage return, and when no longer. */
  onRawTerminal: (isRaw: boolean) => void
}

export class WorkloadStreams {
  readonly output: TaskOutput
  readonly #run: Run
  readonly #settings: StreamSettings
  readonly #input: TaskInput | null
  readonly #terminal: LentTerminal | null
  #keys: Readable | null = null
  #giveBack = async () => {}

  /**
   * Everything is undone with `run`, at the latest.
   * @throws {PreconditionError} TERMINAL_MISSING
   */
  constructor(run: Run, options: WorkloadOptions, settings: StreamSettings) {
    this.#run = run
    this.#settings = settings
    const { interactive = false } = options
    const terminal = options.terminal
      ? new LentTerminal({
          // For this program these keys are what Ctrl-C is where the workload has no keyboard.
          onDetach: () => process.kill(process.pid, 'SIGINT'),
          onRaw: settings.onRawTerminal,
        })
      : null
    this.#terminal = terminal
    this.output =
      terminal === null
        ? new TaskOutput(run.folder, settings.output)
        : new TaskOutput(run.folder, () => {}, { onTerminal: (bytes) => terminal.show(bytes) })
    run.undo.push("the workload's output", () => this.output.close())
    this.#input = interactive ? new TaskInput(run.folder) : null
    if (this.#input !== null) run.undo.push("the workload's input", () => this.#input?.close())
    if (terminal !== null)
      this.#giveBack = run.undo.push('the loan of the terminal', () => terminal.giveBack())
  }

  get paths(): StreamPaths {
    return { ...this.output.paths, stdin: this.#input?.path ?? '', terminal: this.#terminal !== null }
  }

  /** What a person presses who wants this program to hear of it. */
  get interruptKeys(): string {
    return this.#terminal !== null && this.#input !== null ? DETACH_KEYS_NAME : 'Ctrl-C'
  }

  /** To be called before the workload's first instruction: a terminal has its size by then, and is its own. */
  async prepare(container: Container): Promise<void> {
    if (this.#terminal === null) return
    if (this.#input !== null) {
      this.#run.log.info(`every key is the workload's but ${DETACH_KEYS_NAME}, the Ctrl-C of this command`)
      this.#keys = this.#terminal.takeKeys()
    }
    await container.resizeTerminal(this.#terminal.size)
    this.#terminal.watchSize((size) => {
      container.resizeTerminal(size).catch((error: unknown) => this.#tell('resize the terminal', error))
    })
  }

  /** To be called when the workload has started. */
  begin(container: Container): void {
    this.#input?.begin(this.#keys ?? this.#settings.input, () => {
      container.closeStdin().catch((error: unknown) => this.#tell("end the workload's input", error))
    })
  }

  /** To be called when all output is there: the terminal is the person's again. */
  async end(): Promise<void> {
    await this.#giveBack()
  }

  /** The task may have ended meanwhile. */
  #tell(what: string, error: unknown): void {
    if (!(error instanceof CodedError)) throw error
    this.#run.log.debug(`could not ${what}: ${messageOf(error)}`)
  }
}

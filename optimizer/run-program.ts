/** The whole program but its process: command line to command, errors to one sentence and an exit code. */
import {
  asCoded,
  CodedError,
  EXIT,
  InterruptedError,
  messageOf,
  PreconditionError,
  systemCodeOf,
} from '../shared/errors.ts'
import type { Arguments } from './commands/command.ts'
import { Console, LOG_FORMATS, LOG_LEVELS } from './console.ts'
import { Interruption } from './interruption.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Where results and words go. */
export interface ProgramStreams {
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
}

/**
 * Signals of this process interrupt it while it runs.
 * @returns the exit status, one of {@link EXIT}; nothing is thrown
 */
export async function runProgram(args: string[], streams: ProgramStreams = process): Promise<number> {
  // A reader of the log that has seen enough, or a terminal that is gone: what was begun is ended and undone as ever.
  streams.stderr.on('error', () => {})
  if (await asksForVersion(args)) {
    const { versionText } = await import('./commands/version.ts')
    await writeResult(versionText(), streams)
    return EXIT.done
  }
  const interruption = new Interruption()
  // A command line that cannot be read is told in the form that it asks for, too.
  const format = wordAfter(args, '--log-format') === 'json' ? 'json' : 'text'
  let console = new Console('info', { format, stream: streams.stderr })
  const interrupt = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT' && interruption.offer()) return
    if (interruption.signal.aborted) return console.warn(`${signal}: still cleaning up`)
    console.warn(`${signal}: stopping and cleaning up`)
    interruption.abort(new InterruptedError(`interrupted by ${signal}`))
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)

  try {
    const { runCommandLine } = await import('./command-line.ts')
    await runCommandLine(args, async (command, argv) => {
      console = consoleOf(argv, streams)
      const result = await command.run(argv, {
        console,
        signal: interruption.signal,
        nextInterrupt: interruption.nextInterrupt,
      })
      await writeResult(typeof result === 'string' ? result : result.output, streams)
      if (typeof result !== 'string') throw result.failure
    })
    return EXIT.done
  } catch (error) {
    console.endLive()
    return report(interruption.signal.aborted ? interruption.signal.reason : error, console)
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
}

/** The parser is loaded only where it takes more than a look. */
async function asksForVersion(args: string[]): Promise<boolean> {
  if (args[0] === '--version' || !args.includes('--version')) return args[0] === '--version'
  return await (await import('./command-line.ts')).asksForVersion(args)
}

function consoleOf(argv: Arguments, { stderr }: ProgramStreams): Console {
  return new Console(LOG_LEVELS.find((level) => level === argv['log-level']) ?? 'info', {
    format: LOG_FORMATS.find((format) => format === argv['log-format']) ?? 'text',
    stream: stderr,
  })
}

function wordAfter(args: readonly string[], option: string): string | undefined {
  const joined = args.find((arg) => arg.startsWith(`${option}=`))
  if (joined !== undefined) return joined.slice(option.length + 1)
  const at = args.indexOf(option)
  return at < 0 ? undefined : args[at + 1]
}

/** A reader that has seen enough, as `head`, is no failure. @throws {PreconditionError} OUTPUT_FAILED */
function writeResult(output: string, { stdout }: ProgramStreams): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      if (systemCodeOf(cause) === 'EPIPE') return resolve()
      const message = `the result could not be written to stdout: ${messageOf(cause)}`
      reject(new PreconditionError('OUTPUT_FAILED', message, { cause }))
    }
    stdout.on('error', fail)
    stdout.write(output, (error) => (error ? fail(error) : resolve()))
  })
}

/** One sentence for what was raised on purpose; the whole stack for what was not. */
function report(thrown: unknown, console: Console): number {
  const error = asCoded(thrown)
  if (!(error instanceof CodedError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const exitCode = EXIT.unexpected
    console.error(`unexpected error, please report it: ${text}`, { code: null, exitCode })
    return EXIT.unexpected
  }
  const { code, exitCode } = error
  console.error(
    error.message,
    { code, exitCode },
    process.env.HOTLAYER_DEBUG === undefined ? [] : causes(error),
  )
  return exitCode
}

function causes({ cause }: Error): string[] {
  if (cause === undefined) return []
  if (!(cause instanceof Error)) return [messageOf(cause)]
  return [cause.stack ?? cause.message, ...causes(cause)]
}

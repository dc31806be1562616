/** Entry of `optimizer`: command line to command, errors to one sentence and an exit code. */
import { hideBin } from 'yargs/helpers'
import {
  asCoded,
  CodedError,
  EXIT,
  InterruptedError,
  messageOf,
  PreconditionError,
  systemCodeOf,
} from '../shared/errors.ts'
import { collectEarly } from './collection.ts'
import { commandLine } from './command-line.ts'
import type { Arguments } from './commands/command.ts'
import { versionText } from './commands/version.ts'
import { Console, LOG_LEVELS, type LogLevel, printable } from './console.ts'
import { Interruption } from './interruption.ts'

async function main(args: string[]): Promise<number> {
  if (args.includes('--version') && !args.includes('--')) {
    process.stdout.write(versionText())
    return EXIT.done
  }
  const interruption = new Interruption()
  let console = new Console('info')
  const interrupt = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT' && interruption.offer()) return
    if (interruption.signal.aborted) return console.warn(`${signal}: still cleaning up`)
    console.warn(`${signal}: stopping and cleaning up`)
    interruption.abort(new InterruptedError(`interrupted by ${signal}`))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)

  try {
    await commandLine(args, async (command, argv) => {
      console = new Console(logLevel(argv))
      const result = await command.run(argv, {
        console,
        signal: interruption.signal,
        nextInterrupt: interruption.nextInterrupt,
      })
      await writeResult(typeof result === 'string' ? result : result.output)
      if (typeof result !== 'string') throw result.failure
    }).parseAsync()
    return EXIT.done
  } catch (error) {
    console.endLive()
    return report(interruption.signal.aborted ? interruption.signal.reason : error)
  }
}

function logLevel(argv: Arguments): LogLevel {
  return LOG_LEVELS.find((level) => level === argv['log-level']) ?? 'info'
}

/** A reader that has seen enough, as `head`, is no failure. @throws {PreconditionError} OUTPUT_FAILED */
function writeResult(output: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      if (systemCodeOf(cause) === 'EPIPE') return resolve()
      const message = `the result could not be written to stdout: ${messageOf(cause)}`
      reject(new PreconditionError('OUTPUT_FAILED', message, { cause }))
    }
    process.stdout.on('error', fail)
    process.stdout.write(output, (error) => (error ? fail(error) : resolve()))
  })
}

/** One sentence for what was raised on purpose; the whole stack for what was not. */
function report(thrown: unknown): number {
  const error = asCoded(thrown)
  if (!(error instanceof CodedError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`optimizer: unexpected error, please report it: ${printable(text)}\n`)
    return EXIT.unexpected
  }
  process.stderr.write(`optimizer: ${printable(error.message)} [${error.code}]\n`)
  if (process.env.HOTLAYER_DEBUG !== undefined) {
    for (
      let cause = error.cause;
      cause !== undefined;
      cause = cause instanceof Error ? cause.cause : undefined
    ) {
      process.stderr.write(
        `  caused by: ${printable(cause instanceof Error ? (cause.stack ?? messageOf(cause)) : messageOf(cause))}\n`,
      )
    }
  }
  return error.exitCode
}

collectEarly()
process.exitCode = await main(hideBin(process.argv))
// A pending handle (a stuck socket, say) must not keep a finished command alive.
process.exit()

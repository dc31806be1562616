/** What the benchmarks have in common as commands: interruption, options, errors, and where they speak. */
import { CodedError, EXIT, InterruptedError, UsageError } from '../shared/errors.ts'

const ROUNDS_MAX = 99

/** Runs it to its end; what it resolves to goes to stdout. Sets the exit status. */
export async function runBench(work: (signal: AbortSignal) => Promise<string>): Promise<void> {
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interruption.abort(new InterruptedError(`interrupted by ${signal}`)))
  try {
    process.stdout.write(await work(interruption.signal))
    process.exitCode = EXIT.done
  } catch (thrown) {
    const error: unknown = interruption.signal.aborted ? interruption.signal.reason : thrown
    if (!(error instanceof CodedError)) throw error
    say(error.message)
    process.exitCode = error.exitCode
  }
}

/** Progress, on stderr. */
export function say(message: string): void {
  process.stderr.write(`bench: ${message}\n`)
}

/** @throws {UsageError} */
export function roundsOf(text: string): number {
  const rounds = Number(text)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
    throw new UsageError('ROUNDS_INVALID', `--rounds ${text}: give a whole number from 1 to ${ROUNDS_MAX}`)
  return rounds
}

/** How much smaller than usual the synthetic inputs are. @throws {UsageError} */
export function scaleOf(text: string): number {
  const scale = Number(text)
  if (scale > 0 && scale <= 1) return scale
  throw new UsageError('SCALE_INVALID', `--scale ${text}: give a number above 0, at most 1`)
}

/** The chosen ones of a repeatable option, all where it is not given. @throws {UsageError} */
export function chosen<T extends string>(
  option: string,
  values: string[] | undefined,
  all: readonly T[],
): T[] {
  for (const value of values ?? [])
    if (!all.includes(value as T))
      throw new UsageError('CHOICE_INVALID', `--${option} ${value}: give ${all.join(' or ')}`)
  return all.filter((name) => values === undefined || values.includes(name))
}

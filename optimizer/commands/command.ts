import type { Argv } from 'yargs'
import type { CodedError } from '../../shared/errors.ts'
import type { Console } from '../console.ts'

export interface CommandContext {
  console: Console
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal
  /** Resolves at the next SIGINT, which then does not abort `signal`. @see interruption.ts */
  nextInterrupt: (signal: AbortSignal) => Promise<void>
}

/** Option values as yargs gives them: strings, booleans and arrays of strings, unchecked. */
export type Arguments = Record<string, unknown>

/** One of several workloads, with its own options beside the common ones. */
export interface NamedArguments {
  name: string
  argv: Arguments
}

/** A result that was reached, and that is a failure for whoever asked. */
export interface FailedResult {
  /** The whole of stdout. */
  output: string
  /** Told on stderr; gives the exit code. */
  failure: CodedError
}

export interface Example {
  command: string
  describe: string
}

/**
 * One file per command: parse, call one function, return what stdout gets. What does the work is imported by `run`
 * alone: help, completion and mistakes in the command line need none of it.
 */
export interface Command {
  /** yargs' form: `name <required> [optional]`. */
  usage: string
  describe: string
  examples: readonly Example[]
  builder(yargs: Argv): Argv
  /** @returns the whole of stdout, or '' */
  run(argv: Arguments, context: CommandContext): Promise<string | FailedResult>
}

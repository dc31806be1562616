/** The command line of a stand-alone notifier: everything is validated before anything runs. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import yargs, { type Argv } from 'yargs'
import type { Shell } from '../../shared/completion.ts'
import { CodedError, messageOf, UsageError } from '../../shared/errors.ts'
import { suggestion } from '../../shared/nearest.ts'
import { spelled } from '../../shared/program-facts.ts'
import { optionWords, withTypedValues } from '../../shared/typed-values.ts'
import type { FormatName } from './list-format.ts'
import { ABOUT, EPILOGUE, OPTIONS, programFact } from './options.ts'
import { type PathFilter, parseGlob, pathFilter } from './path-filter.ts'

export interface StandAloneRequest {
  target: { words: string[]; root: string | undefined } | { pid: number }
  format: FormatName
  /** Paths end with a zero byte. */
  zero: boolean
  /** A file, `-` for stdout, or nothing for stderr. */
  output: string | undefined
  summary: boolean
  reads: boolean
  /** Watch only the mounts that these lie on; empty: all. */
  mounts: Buffer[]
  filter: PathFilter
  failOnLoss: boolean
}

/** The parser alone, so that docs/cli.md can be made from it. */
export function notifierCommandLine(args: string[]): Argv {
  // The second argument keeps yargs from asking for the working directory, which may have been removed.
  return yargs(args, '/')
    .scriptName('notifier')
    .usage(ABOUT)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'halt-at-non-option': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .locale('en')
    .version(false)
    .options(OPTIONS)
    .help()
    .alias('help', 'h')
    .strictOptions()
    .wrap(110)
    .epilogue(EPILOGUE)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? usage(ownWords(message.replaceAll(/\s+/g, ' ').trim()))
    })
}

const FACTS = programFact().commands.flatMap((command) => command.options)

/**
 * What the parser cannot mistake: values with their options, and `--` before the first word of the command, since yargs
 * takes a command called `true` or `false` for the value of a flag before it.
 */
function plainWords(args: readonly string[]): string[] {
  const end = optionWords(args, FACTS)
  const command = args.slice(end)
  const apart = command.length === 0 || command[0] === '--' ? command : ['--', ...command]
  return [...withTypedValues(args.slice(0, end), FACTS), ...apart]
}

type Values = { _: string[] } & Record<string, unknown>

/** Besides a run, what can be asked for: the text of --help, or the version. @throws {UsageError} */
export function parseCommandLine(
  args: string[],
): StandAloneRequest | { help: string } | { version: true } | { completion: Shell } {
  let help = ''
  const parser = notifierCommandLine(args)
  let values: Values
  try {
    values = parser.parse(plainWords(args), {}, (_error: unknown, _argv: unknown, output: string) => {
      help = output
    }) as unknown as Values
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw usage(ownWords(messageOf(cause)), cause)
  }
  if (help !== '') return { help: `${help}\n` }
  const shell = single(values, 'completion')
  if (shell !== undefined) return { completion: shell as Shell }
  return isGiven(values, 'version') ? { version: true } : toRequest(values)
}

function toRequest(values: Values): StandAloneRequest {
  for (const name of ['socket', 'fd'])
    if (values[name] !== undefined) throw usage(`--${name} runs and lists nothing: leave the rest out`)
  const given = single(values, 'format') as FormatName
  const zero = isGiven(values, '0')
  const format = zero ? 'paths' : given
  const output = single(values, 'output')
  const summary = isGiven(values, 'summary')
  if (zero && given !== 'text' && given !== 'paths') throw usage('-0 is for --format paths')
  if (output === '') throw usage('--output: name a file, or - for stdout')
  if (summary && output === undefined && (format === 'record' || zero))
    throw usage('--summary would mix with the list on stderr: give --output FILE too')
  const rootOption = single(values, 'root')
  const root = rootOption === undefined ? undefined : rootDirectory(rootOption)
  const target = targetOf(values, root)
  // Where paths of the target begin that do not begin with a slash.
  const resolveHere = (path: string) => resolve(root === undefined && !('pid' in target) ? '.' : '/', path)
  return {
    target,
    format,
    zero,
    output: output === undefined || output === '-' ? output : resolve(output),
    summary,
    reads: isGiven(values, 'reads'),
    mounts: texts(values, 'mount').map((path) => Buffer.from(resolveHere(path))),
    filter: filterOf(values, resolveHere),
    failOnLoss: single(values, 'on-loss') === 'fail',
  }
}

function targetOf(values: Values, root: string | undefined): StandAloneRequest['target'] {
  const words = values._.map(String)
  const text = single(values, 'pid')
  if (text === undefined) {
    if (words.length === 0) throw usage('name a command to run: notifier -- COMMAND [ARGUMENT...]')
    return { words, root }
  }
  if (words.length > 0) throw usage('either --pid or a command, not both')
  if (root !== undefined) throw usage('--root is for a command; --pid has the root of that process')
  const pid = /^\d+$/.test(text) ? Number(text) : 0
  if (pid < 1 || pid > 0x7fffffff) throw usage(`--pid ${text}: write the number of a process`)
  return { pid }
}

function filterOf(values: Values, resolveHere: (path: string) => string): PathFilter {
  const globs = (name: string) =>
    texts(values, name).map((text) => {
      try {
        return parseGlob(text, resolveHere)
      } catch (cause) {
        throw usage(`--${name} ${text}: this is no pattern (${messageOf(cause)})`, cause)
      }
    })
  return pathFilter(globs('include'), globs('exclude'))
}

function rootDirectory(path: string): string {
  try {
    if (!statSync(path).isDirectory()) throw new Error('it is not a directory')
  } catch (cause) {
    throw usage(`--root ${path}: ${messageOf(cause)}`, cause)
  }
  return resolve(path)
}

/** The value of an option that is given once or not at all. */
function single(values: Values, name: string): string | undefined {
  const value = values[name]
  if (Array.isArray(value)) throw usage(`--${name} may be given only once`)
  return value as string | undefined
}

function texts(values: Values, name: string): string[] {
  const all = (values[name] ?? []) as string[]
  if (all.includes('')) throw usage(`--${name} needs a value`)
  return all
}

function isGiven(values: Values, name: string): boolean {
  return [values[name]].flat().at(-1) === true
}

/** What yargs says, where it does not say it clearly. */
function ownWords(message: string): string {
  const choice = /^Invalid values: Argument: (\S+), Given: (".*?"), Choices: (.*)$/.exec(message)
  if (choice !== null) return `--${choice[1]} ${choice[2]}: write one of ${choice[3]?.replaceAll('"', '')}`
  const missing = /^Not enough arguments following: (\S+)$/.exec(message)
  if (missing !== null) return `${spelled(missing[1] ?? '')} needs a value`
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1]
  if (unknown !== undefined) return `there is no option ${spelled(unknown)}${suggestedOption(unknown)}`
  return message
}

function suggestedOption(name: string): string {
  return suggestion(name, [...Object.keys(OPTIONS), 'help']).replace('did you mean ', 'did you mean --')
}

function usage(message: string, cause?: unknown): UsageError {
  return new UsageError('USAGE', `${message} (--help shows how)`, { cause })
}

/** The command line of a stand-alone notifier: everything is validated before anything runs. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import yargs, { type Argv } from 'yargs'
import { CodedError, messageOf, UsageError } from '../../shared/errors.ts'
import { FORMATS, type FormatName } from './list-format.ts'
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

const ABOUT = `$0 [options] -- COMMAND [ARGUMENT...]
$0 [options] --pid N

Runs a command and lists the files that it reads, in order of first access, as they happen: the program
itself, libraries, configuration, data; of the command and of every process that it starts. Each file once,
by its real name. The command is not slowed down by being stopped at system calls, as under strace.

The command has stdin, stdout and stderr as they are. The list goes to stderr, or to --output.`

const EPILOGUE = `It needs root (CAP_SYS_ADMIN outside of any user namespace): sudo $0 -- COMMAND
To run the command as yourself: sudo $0 -- setpriv --reuid $(id -u) --regid $(id -g) --init-groups COMMAND

Exit status: that of the command (or the signal that ended it; 127: not found, 126: cannot be executed);
5: accesses were lost and --on-loss is fail; 1: unexpected; 2: usage; 3: a precondition is missing, such as
privilege.

Examples:
  $0 -- python3 app.py                          what does starting app.py read?
  $0 --summary --output files.txt -- make       list in a file; at the end sums by directory and package
  $0 -0 -o list --exclude '/tmp/**' -- ./build  bare paths, each ended by a zero byte, for xargs -0
  $0 --include src/ --include '*.conf' -- make  only what lies in src, and names that end so
  $0 -f json -o - -- true | jq '.path // empty'
                                                for programs; docs/notifier.md describes the fields`

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
    .options(listOptions)
    .options(watchOptions)
    .options(protocolOptions)
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

const LIST = 'The list:'

const listOptions = {
  format: {
    alias: 'f',
    group: LIST,
    type: 'string',
    nargs: 1,
    choices: FORMATS,
    default: 'text',
    describe:
      'text: a line per file; tree: directories with counts and bytes, at the end; json: JSON lines; paths: bare paths; record: a record file of the optimizer, at the end',
  },
  0: { group: LIST, type: 'boolean', describe: 'paths, each ended by a zero byte instead of a newline' },
  output: {
    alias: 'o',
    group: LIST,
    type: 'string',
    nargs: 1,
    describe: 'write the list to this file; - is stdout',
    defaultDescription: 'stderr',
  },
  summary: {
    alias: 's',
    group: LIST,
    type: 'boolean',
    describe:
      'at the end, on stderr: files and bytes by kind, directory, process, and package (dpkg, apk, rpm)',
  },
} as const

const WATCH = 'What is watched:'

const watchOptions = {
  mount: {
    group: WATCH,
    type: 'string',
    nargs: 1,
    array: true,
    describe: 'watch only the mount that this path lies on (may be repeated)',
    defaultDescription: 'every mount that holds files',
  },
  include: {
    group: WATCH,
    type: 'string',
    nargs: 1,
    array: true,
    describe: 'list only paths that match, such as /etc, "/usr/**/*.so" or "*.py" (may be repeated)',
  },
  exclude: {
    group: WATCH,
    type: 'string',
    nargs: 1,
    array: true,
    describe: 'leave out paths that match (may be repeated)',
  },
  reads: {
    group: WATCH,
    type: 'boolean',
    describe: 'tell which files were read, and which only opened or mapped into memory',
  },
  root: {
    alias: 'r',
    group: WATCH,
    type: 'string',
    nargs: 1,
    describe: 'run the command with this directory as its root',
  },
  pid: {
    alias: 'p',
    group: WATCH,
    type: 'string',
    nargs: 1,
    describe: 'watch the container that this process is in, until it ends or Ctrl-C',
  },
  'on-loss': {
    group: WATCH,
    type: 'string',
    nargs: 1,
    choices: ['fail', 'warn'],
    default: 'warn',
    describe: 'what to do where the kernel lost accesses: end with status 5, or say so on stderr',
  },
} as const

const PROTOCOL = 'For programs (docs/protocol.md):'

const protocolOptions = {
  socket: {
    group: PROTOCOL,
    type: 'string',
    nargs: 1,
    describe: 'speak the protocol over this Unix socket, and run nothing',
  },
  fd: { group: PROTOCOL, type: 'string', nargs: 1, describe: 'the same over an inherited socket, such as 3' },
  version: { type: 'boolean', describe: 'Show the version' },
} as const

type Values = { _: string[] } & Record<string, unknown>

/** Besides a run, what can be asked for: the text of --help, or the version. @throws {UsageError} */
export function parseCommandLine(args: string[]): StandAloneRequest | { help: string } | { version: true } {
  let help = ''
  const parser = notifierCommandLine(args)
  let values: Values
  try {
    values = parser.parse(args, {}, (_error: unknown, _argv: unknown, output: string) => {
      help = output
    }) as unknown as Values
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw usage(ownWords(messageOf(cause)), cause)
  }
  if (help !== '') return { help: `${help}\n` }
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
  if (missing !== null) return `${missing[1]?.length === 1 ? '-' : '--'}${missing[1]} needs a value`
  return message
}

function usage(message: string, cause?: unknown): UsageError {
  return new UsageError('USAGE', `${message} (--help shows how)`, { cause })
}

/** The command line of a stand-alone notifier: everything is validated before anything runs. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import yargs, { type Argv } from 'yargs'
import { CodedError, messageOf, UsageError } from '../../shared/errors.ts'
import { FORMATS, type FormatName } from './list-format.ts'
import { type PathFilter, pathFilter } from './path-filter.ts'

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
  $0 --format json -o - -- true | jq .path      for programs; docs/notifier.md describes the fields`

/** The parser alone, so that docs/cli.md can be made from it. */
export function notifierCommandLine(args: string[]): Argv {
  return yargs(args)
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
      throw error ?? usage(message.replaceAll(/\s+/g, ' ').trim())
    })
}

const LIST = 'The list:'

const listOptions = {
  format: {
    alias: 'f',
    group: LIST,
    type: 'string',
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
    array: true,
    describe: 'watch only the mount that this path lies on (may be repeated)',
    defaultDescription: 'every mount that holds files',
  },
  include: {
    group: WATCH,
    type: 'string',
    array: true,
    describe: 'list only paths that match, such as "/usr/**" or "*.py" (may be repeated)',
  },
  exclude: {
    group: WATCH,
    type: 'string',
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
    describe: 'run the command with this directory as its root',
  },
  pid: {
    alias: 'p',
    group: WATCH,
    type: 'string',
    describe: 'watch the container that this process is in, until it ends or Ctrl-C',
  },
  'on-loss': {
    group: WATCH,
    type: 'string',
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
    describe: 'speak the protocol over this Unix socket, and run nothing',
  },
  fd: { group: PROTOCOL, type: 'string', describe: 'the same over an inherited socket, such as 3' },
  version: { type: 'boolean', describe: 'Show the version' },
} as const

interface Values {
  _: string[]
  format: FormatName
  0?: boolean
  output?: string
  summary?: boolean
  mount?: string[]
  include?: string[]
  exclude?: string[]
  reads?: boolean
  root?: string
  pid?: string
  'on-loss': 'fail' | 'warn'
}

/** @returns the text of --help where that was asked for. @throws {UsageError} */
export function parseCommandLine(args: string[]): StandAloneRequest | { help: string } {
  let help = ''
  const parser = notifierCommandLine(args)
  let values: Values
  try {
    values = parser.parse(args, {}, (_error: unknown, _argv: unknown, output: string) => {
      help = output
    }) as unknown as Values
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw usage(messageOf(cause), cause)
  }
  return help === '' ? toRequest(values) : { help: `${help}\n` }
}

function toRequest(values: Values): StandAloneRequest {
  const format = values[0] === true ? 'paths' : values.format
  const { output, summary = false } = values
  if (values[0] === true && values.format !== 'text' && values.format !== 'paths')
    throw usage('-0 is for --format paths')
  if (output === '') throw usage('--output: name a file, or - for stdout')
  if (summary && output === undefined && (format === 'record' || values[0] === true))
    throw usage('--summary would mix with the list on stderr: give --output FILE too')
  const root = values.root === undefined ? undefined : rootDirectory(values.root)
  return {
    target: targetOf(values, root),
    format,
    zero: values[0] === true,
    output: output === undefined || output === '-' ? output : resolve(output),
    summary,
    reads: values.reads === true,
    mounts: (values.mount ?? []).map((path) => Buffer.from(resolve(root === undefined ? '.' : '/', path))),
    filter: pathFilter(values.include ?? [], values.exclude ?? []),
    failOnLoss: values['on-loss'] === 'fail',
  }
}

function targetOf(values: Values, root: string | undefined): StandAloneRequest['target'] {
  const words = values._.map(String)
  if (values.pid === undefined) {
    if (words.length === 0) throw usage('name a command to run: notifier -- COMMAND [ARGUMENT...]')
    return { words, root }
  }
  if (words.length > 0) throw usage('either --pid or a command, not both')
  if (root !== undefined) throw usage('--root is for a command; --pid has the root of that process')
  const pid = /^\d+$/.test(values.pid) ? Number(values.pid) : 0
  if (pid < 1 || pid > 0x7fffffff) throw usage(`--pid ${values.pid}: write the number of a process`)
  return { pid }
}

function rootDirectory(path: string): string {
  try {
    if (!statSync(path).isDirectory()) throw new Error('it is not a directory')
  } catch (cause) {
    throw usage(`--root ${path}: ${messageOf(cause)}`, cause)
  }
  return resolve(path)
}

function usage(message: string, cause?: unknown): UsageError {
  return new UsageError('USAGE', `${message} (--help shows how)`, { cause })
}

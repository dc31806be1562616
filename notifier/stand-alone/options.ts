/** What a stand-alone notifier takes: its options, and the words about them. */
import { type Completed, completionScript, SHELLS, type Shell } from '../../shared/completion.ts'
import { HELP_FACT, type OptionDefinition, optionFact } from '../../shared/program-facts.ts'
import { FORMATS } from './list-format.ts'

export const SYNOPSES = ['[options] -- COMMAND [ARGUMENT...]', '[options] --pid N'] as const

const WHAT = `Runs a command and lists the files that it reads, in order of first access, as they happen: the program
itself, libraries, configuration, data; of the command and of every process that it starts. Each file once,
by its real name. The command is not slowed down by being stopped at system calls, as under strace.

The command has stdin, stdout and stderr as they are. The list goes to stderr, or to --output.`

export const ABOUT = `${SYNOPSES.map((synopsis) => `$0 ${synopsis}`).join('\n')}

${WHAT}`

const PRIVILEGE = `It needs root (CAP_SYS_ADMIN outside of any user namespace): sudo notifier -- COMMAND
To run the command as yourself:
  sudo notifier -- setpriv --reuid $(id -u) --regid $(id -g) --init-groups COMMAND`

const EXIT_STATUS = `Exit status: that of the command (or the signal that ended it; 127: not found, 126: cannot be executed);
5: accesses were lost and --on-loss is fail; 1: unexpected; 2: usage; 3: a precondition is missing, such as
privilege, or the list could not be written.`

const EXAMPLES = [
  { command: 'notifier -- python3 app.py', describe: 'what does starting app.py read?' },
  {
    command: 'notifier --summary --output files.txt -- make',
    describe: 'list in a file; at the end sums by directory and package',
  },
  {
    command: "notifier -0 -o list --exclude '/tmp/**' -- ./build",
    describe: 'bare paths, each ended by a zero byte, for xargs -0',
  },
  {
    command: "notifier --include src/ --include '*.conf' -- make",
    describe: 'only what lies in src, and names that end so',
  },
  {
    command: "notifier -f json -o - -- true | jq '.path // empty'",
    describe: 'for programs; docs/notifier.md describes the fields',
  },
]

export const EPILOGUE = [
  PRIVILEGE,
  EXIT_STATUS,
  ['Examples:', ...EXAMPLES.flatMap(({ command, describe }) => [`  # ${describe}`, `  ${command}`])].join(
    '\n',
  ),
].join('\n\n')

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
  completion: {
    type: 'string',
    nargs: 1,
    choices: SHELLS,
    describe: 'print a completion script for this shell',
  },
  version: { type: 'boolean', describe: 'Show the version' },
} as const

/** Every option, as yargs takes them. */
export const OPTIONS = { ...listOptions, ...watchOptions, ...protocolOptions }

export function programFact(): Completed & { about: string[] } {
  const options = Object.entries<OptionDefinition>(OPTIONS).map(([name, option]) => optionFact(name, option))
  const describe = 'list the files that a command reads, in order of first access'
  const command = {
    name: '',
    usage: SYNOPSES[0],
    describe,
    positionals: [],
    options: [...options, HELP_FACT],
    examples: EXAMPLES,
  }
  return {
    name: 'notifier',
    describe,
    commands: [command],
    runsCommand: true,
    about: [WHAT, PRIVILEGE, EXIT_STATUS],
  }
}

export function completion(shell: Shell): string {
  return completionScript(shell, programFact())
}

/** The parser: every command with its options. Apart from main.ts so that docs/cli.md can be made from it. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from '../shared/errors.ts'
import { nearest, suggestion } from '../shared/nearest.ts'
import { HELP_FACT, spelled } from '../shared/program-facts.ts'
import { cleanCommand } from './commands/clean.ts'
import type { Arguments, Command, Example } from './commands/command.ts'
import { commandFact } from './commands/command-facts.ts'
import { completionCommand } from './commands/completion.ts'
import { configCommand } from './commands/config.ts'
import { convertCommand } from './commands/convert.ts'
import { inspectCommand } from './commands/inspect.ts'
import { optimizeCommand } from './commands/optimize.ts'
import { recordCommand } from './commands/record.ts'
import { verifyCommand } from './commands/verify.ts'
import type { OptionsFile } from './config/options-file.ts'

export const COMMANDS: readonly Command[] = [
  optimizeCommand,
  convertCommand,
  recordCommand,
  inspectCommand,
  verifyCommand,
  cleanCommand,
  configCommand,
  completionCommand,
]

export const DESCRIBE = 'Move the files a container image reads at start-up to the front of its layers.'

export const VERSION_OPTION = {
  type: 'boolean',
  describe: 'Show versions of the program and its compression engine',
} as const

export const EXIT_CODES = `Exit codes: 0 done; 1 unexpected; 2 usage; 3 a precondition is missing (privilege, daemon, image, platform);
4 the workload failed or never got ready; 5 the record is incomplete; 6 verification failed; 130 interrupted.`

export type RunCommand = (command: Command, argv: Arguments) => Promise<void>

/** Parses, with the file of --config where one is named, and runs. @throws {UsageError} and whatever `run` throws */
export async function runCommandLine(args: string[], run: RunCommand): Promise<void> {
  const command = commandOf(args)
  const asksForHelp = args.some((arg) => arg === '--help' || arg === '-h')
  if (command === undefined || asksForHelp || !args.some((arg) => /^--config(=|$)/.test(arg))) {
    await commandLine(args, run).parseAsync()
    return
  }
  const { runWithFile } = await import('./config/run-with-file.ts')
  await runWithFile(args, command, run, commandLine)
}

/**
 * The parser with every command; `run` is what a chosen command is handed to.
 * @param file what the command line does not say
 */
export function commandLine(args: string[], run: RunCommand, file: OptionsFile | null = null): Argv {
  // The second argument keeps yargs from asking for the working directory, which may have been removed.
  let parser = yargs(args, '/')
    .scriptName('optimizer')
    .usage(`$0 <command>\n\n${DESCRIBE}`)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .locale('en')
    .version(false)
    .option('version', VERSION_OPTION)
    .help('help', HELP_FACT.describe)
    .alias('help', 'h')
    .strict()
    .demandCommand(1, `name a command: ${oneOf(COMMANDS.map(nameOf))}`)
    .wrap(110)
    .epilogue(EXIT_CODES)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError('USAGE', `${usageMessage(message, args)} (--help shows how)`)
    })
  for (const command of COMMANDS) {
    const { usage, describe } = command
    parser = parser.command(
      // What a file says need not be typed.
      file === null ? usage : usage.replaceAll(/<([^>]+)>/g, '[$1]'),
      describe,
      (builder) => {
        const built = command.builder(builder).epilogue(examplesText(command.examples))
        return file === null ? built : built.config(file.values)
      },
      (argv) => run(command, argv as Arguments),
    )
  }
  return parser
}

function nameOf({ usage }: Command): string {
  return usage.split(' ', 1)[0] as string
}

/** The command that is named, as far as that can be told without reading the options. */
export function commandOf(args: readonly string[]): Command | undefined {
  const words = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined)
  const word = words.find((each) => COMMANDS.some((command) => nameOf(command) === each))
  return COMMANDS.find((command) => nameOf(command) === word)
}

function examplesText(examples: readonly Example[]): string {
  return [
    'Examples:',
    ...examples.flatMap(({ command, describe }) => [`  # ${describe}`, `  ${command}`]),
  ].join('\n')
}

function oneOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/** yargs' words on one line, where they say what is wrong. */
function usageMessage(message: string, args: readonly string[]): string {
  const line = message.replaceAll(/\s+/g, ' ').trim()
  const choice = /^Invalid values: Argument: (\S+), Given: (".*?"), Choices: ((?:"[^"]*"(?:, )?)+)/.exec(line)
  const command = commandOf(args)
  if (choice !== null) {
    const [, name = '', given, choices = ''] = choice
    const isPositional = command?.usage.includes(`<${name}>`)
    return `${isPositional ? `<${name}>` : spelled(name)} ${given}: write one of ${choices.replaceAll('"', '')}`
  }
  if (command !== undefined && line.startsWith('Not enough non-option arguments')) {
    // An option that nobody knows takes the word behind it along.
    const unknown = unknownTyped(args, command)
    return unknown === undefined
      ? `an argument is missing: optimizer ${command.usage}`
      : unknownOption(unknown, command)
  }
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(line)
  return unknown === null ? line : unknownMessage(unknown[1]?.split(', ') ?? [], args, command)
}

/** @param names options without their dashes, and words, as yargs lists them */
function unknownMessage(
  names: readonly string[],
  args: readonly string[],
  command: Command | undefined,
): string {
  const option = names.find((name) => isTypedOption(name, args))
  const word = names.find((name) => !isTypedOption(name, args)) ?? ''
  if (command === undefined && word !== '')
    return `there is no command ${word}${suggestion(word, COMMANDS.map(nameOf))}`
  if (option !== undefined || command === undefined) return unknownOption(option ?? '', command)
  return `one argument too many, "${word}": optimizer ${command.usage}`
}

function unknownOption(option: string, command: Command | undefined): string {
  const options = command === undefined ? [] : commandFact(command).options
  const names = [...options.flatMap(({ name, aliases }) => [name, ...aliases]), 'version']
  const found = nearest(option, names)
  const where = command === undefined ? '' : ` of optimizer ${nameOf(command)}`
  const elsewhere =
    found === undefined
      ? COMMANDS.find((other) => commandFact(other).options.some(({ name }) => name === option))
      : undefined
  const hint =
    found !== undefined
      ? `: did you mean ${spelled(found)}?`
      : elsewhere === undefined
        ? ''
        : `: optimizer ${nameOf(elsewhere)} has it`
  return `there is no option ${spelled(option)}${where}${hint}`
}

function unknownTyped(args: readonly string[], command: Command): string | undefined {
  const { options } = commandFact(command)
  const names = ['version', ...options.flatMap(({ name, aliases }) => [name, ...aliases])]
  const typed = args.flatMap((arg) => /^--([^=]+)/.exec(arg)?.[1] ?? [])
  return typed.find((name) => !names.includes(name))
}

function isTypedOption(name: string, args: readonly string[]): boolean {
  return args.some((arg) =>
    name.length === 1
      ? /^-[^-]/.test(arg) && arg.slice(1).includes(name)
      : arg === `--${name}` || arg.startsWith(`--${name}=`),
  )
}

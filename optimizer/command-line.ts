/** The parser: every command with its options. Apart from main.ts so that docs/cli.md can be made from it. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from '../shared/errors.ts'
import { nearest, suggestion } from '../shared/nearest.ts'
import { HELP_FACT, type OptionFact, optionFact, spelled } from '../shared/program-facts.ts'
import { isTyped, optionWords, withTypedValues } from '../shared/typed-values.ts'
import type { Arguments, Command, Example } from './commands/command.ts'
import { commandFact } from './commands/command-facts.ts'
import { DRIVE_ORDER, driveOrder } from './commands/drive-order.ts'
import { PEER_COMMANDS, PEER_OPTIONS } from './commands/peer-words.ts'
import { type CommandName, TITLES } from './commands/titles.ts'
import type { OptionsFile } from './config/options-file.ts'

const LOADERS: Record<CommandName, () => Promise<Command>> = {
  optimize: async () => (await import('./commands/optimize.ts')).optimizeCommand,
  convert: async () => (await import('./commands/convert.ts')).convertCommand,
  record: async () => (await import('./commands/record.ts')).recordCommand,
  plan: async () => (await import('./commands/plan.ts')).planCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  records: async () => (await import('./commands/records.ts')).recordsCommand,
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
  simulate: async () => (await import('./commands/simulate.ts')).simulateCommand,
  clean: async () => (await import('./commands/clean.ts')).cleanCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
}

export const COMMAND_NAMES = Object.keys(TITLES) as CommandName[]

/** Every command. */
export async function allCommands(): Promise<Command[]> {
  return await Promise.all(COMMAND_NAMES.map((name) => LOADERS[name]()))
}

export const DESCRIBE = 'Move the files a container image reads at start-up to the front of its layers.'

export const VERSION_OPTION = {
  type: 'boolean',
  describe: 'Show versions of the program and its compression engine',
} as const

export const EXIT_CODES = `Exit codes: 0 done; 1 unexpected; 2 usage; 3 a precondition is missing (privilege, daemon, image, platform);
4 the workload failed or never got ready; 5 the record is incomplete; 6 verification failed; 130 interrupted.`

const HELP_COLUMNS = 110

export type RunCommand = (command: Command, argv: Arguments) => Promise<void>

/** Parses, with the file of --config where one is named, and runs. @throws {UsageError} and whatever `run` throws */
export async function runCommandLine(words: string[], run: RunCommand): Promise<void> {
  const typed = words[0] === 'help' ? [...words.slice(1), '--help'] : words
  const name = commandOf(typed)
  const subject = typed[0] ?? ''
  if (words[0] === 'help' && name === undefined && !subject.startsWith('-')) throw unknownCommand(subject)
  const command = name === undefined ? null : await LOADERS[name]()
  const options = knownOptions(command)
  const asksForHelp = words[0] === 'help' || isTyped(['--help', '-h'], typed, options)
  if (!asksForHelp) requireCommandFirst(typed, options)
  const args = command === null || asksForHelp ? typed : withTypedValues(typed, options)
  try {
    if (command === null || asksForHelp || !args.some((arg) => /^--config(=|$)/.test(arg))) {
      await commandLine(args, run, command).parseAsync()
      return
    }
    const { runWithFile } = await import('./config/run-with-file.ts')
    await runWithFile(args, command, run, (words, runParsed, file) =>
      commandLine(words, runParsed, command, file),
    )
  } catch (error) {
    throw error instanceof UnknownOptionError ? await withOwner(error) : error
  }
}

/** A word before the command is none; behind an option that nobody knows it may be its value. @throws {UsageError} */
function requireCommandFirst(typed: readonly string[], options: readonly OptionFact[]): void {
  const at = optionWords(typed, options)
  const word = typed[at] ?? '--'
  const known = options.flatMap(({ name, aliases }) => [name, ...aliases].map(spelled))
  const before = typed
    .slice(0, at)
    .filter((text) => text.startsWith('-') && !known.includes(text.split('=', 1)[0] as string))
  if (word !== '--' && before.length === 0 && !COMMAND_NAMES.some((name) => name === word))
    throw unknownCommand(word)
}

/** Whether versions are asked for, whatever else the words say; `--version` may be the value of an option, too. */
export async function asksForVersion(words: readonly string[]): Promise<boolean> {
  const name = commandOf(words)
  return isTyped(['--version'], words, knownOptions(name === undefined ? null : await LOADERS[name]()))
}

/** All that may be typed, with what every command has. */
function knownOptions(command: Command | null): OptionFact[] {
  return [optionFact('version', VERSION_OPTION), ...(command === null ? [] : commandFact(command).options)]
}

/** An option that the command does not have, nor one with a name like it. */
class UnknownOptionError extends UsageError {
  readonly option: string

  constructor(option: string, message: string) {
    super('USAGE', message)
    this.option = option
  }
}

/** The same, with the command that has it. */
async function withOwner(error: UnknownOptionError): Promise<UsageError> {
  const has = (command: Command) => commandFact(command).options.some(({ name }) => name === error.option)
  const owner = (await allCommands()).find(has)
  const message = error.message.replace(
    ' (',
    owner === undefined ? ' (' : `: optimizer ${nameOf(owner)} has it (`,
  )
  return new UsageError('USAGE', message)
}

/** Words mean what they say: nothing is guessed from what they look like. */
export const PARSER_CONFIGURATION = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'greedy-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
}

/**
 * The parser: `run` is what the chosen command is handed to.
 * @param command the one that `args` name, which alone has its options
 * @param file what the command line does not say
 */
export function commandLine(
  args: string[],
  run: RunCommand,
  command: Command | null,
  file: OptionsFile | null = null,
): Argv {
  // The second argument keeps yargs from asking for the working directory, which may have been removed.
  let parser = yargs(args, '/')
    .scriptName('optimizer')
    .usage(`$0 <command>\n\n${DESCRIBE}`)
    .parserConfiguration(PARSER_CONFIGURATION)
    .locale('en')
    .version(false)
    .option('version', VERSION_OPTION)
    .help('help', HELP_FACT.describe)
    .alias('help', 'h')
    .strict()
    .demandCommand(1, `name a command: ${oneOf(COMMAND_NAMES)}`)
    .wrap(HELP_COLUMNS)
    .epilogue(EXIT_CODES)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? usageError(message, args, command)
    })
  for (const name of COMMAND_NAMES) {
    const { usage, describe } = TITLES[name]
    const chosen = command !== null && nameOf(command) === name ? command : null
    parser = parser.command(
      // What a file says need not be typed.
      file === null ? usage : usage.replaceAll(/<([^>]+)>/g, '[$1]'),
      describe,
      (builder) => {
        if (chosen === null) return builder
        const built = chosen.builder(builder).epilogue(examplesText(chosen.examples))
        // yargs lays out the help of a command that it runs, too, which takes longer than all else that it does.
        if (!mayAskForHelp(args)) for (const { name } of commandFact(chosen).options) built.hide(name)
        return file === null ? built : built.config(file.values)
      },
      async (argv) => {
        const ordered = { ...(argv as Arguments), [DRIVE_ORDER]: driveOrder(args) }
        if (chosen !== null) await run(chosen, ordered)
      },
    )
  }
  return parser
}

/** It may be a value as well. */
function mayAskForHelp(args: readonly string[]): boolean {
  return args.some((word) => /^(?:--help|-[^-]*h)/.test(word))
}

function nameOf({ usage }: Command): string {
  return usage.split(' ', 1)[0] as string
}

/** The command that is named, as far as that can be told without reading the options. */
export function commandOf(args: readonly string[]): CommandName | undefined {
  const words = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined)
  return words.flatMap((word) => COMMAND_NAMES.find((name) => name === word) ?? [])[0]
}

function examplesText(examples: readonly Example[]): string {
  return [
    'Examples:',
    ...examples.flatMap(({ command, describe }) => [`  # ${describe}`, ...exampleLines(command)]),
  ].join('\n')
}

/** As it can be copied: broken where a shell takes it to go on. */
function exampleLines(command: string): string[] {
  const lines = ['']
  // Between options alone: a value stays with its option.
  for (const part of command.split(/ (?=--)/)) {
    const line = lines.at(-1) as string
    const joined = line === '' ? `  ${part}` : `${line} ${part}`
    if (line === '' || joined.length <= HELP_COLUMNS - 2) lines[lines.length - 1] = joined
    else {
      lines[lines.length - 1] = `${line} \\`
      lines.push(`    ${part}`)
    }
  }
  return lines
}

function oneOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

const HINT = '(--help shows how)'

/** yargs' words on one line, where they say what is wrong. */
function usageError(message: string, args: readonly string[], command: Command | null): UsageError {
  const line = message.replaceAll(/\s+/g, ' ').trim()
  const choice = /^Invalid values: Argument: (\S+), Given: (".*?"), Choices: ((?:"[^"]*"(?:, )?)+)/.exec(line)
  if (choice !== null) {
    const [, name = '', given, choices = ''] = choice
    const isPositional = command?.usage.includes(`<${name}>`)
    return usage(
      `${isPositional ? `<${name}>` : spelled(name)} ${given}: write one of ${choices.replaceAll('"', '')}`,
    )
  }
  if (command !== null && line.startsWith('Not enough non-option arguments')) {
    // An option that nobody knows takes the word behind it along.
    const unknown = unknownTyped(args, command)
    return unknown === undefined
      ? usage(`an argument is missing: optimizer ${command.usage}`)
      : unknownOption(unknown, command)
  }
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(line)
  return unknown === null ? usage(line) : unknownError(unknown[1]?.split(', ') ?? [], args, command)
}

/** @param names options without their dashes, and words, as yargs lists them */
function unknownError(
  names: readonly string[],
  args: readonly string[],
  command: Command | null,
): UsageError {
  const option = names.find((name) => isTypedOption(name, args))
  const word = names.find((name) => !isTypedOption(name, args)) ?? ''
  if (command === null && word !== '') return unknownCommand(word)
  if (option !== undefined || command === null) return unknownOption(option ?? '', command)
  return usage(`one argument too many, "${word}": optimizer ${command.usage}`)
}

function unknownCommand(word: string): UsageError {
  const meant =
    word === 'version'
      ? ': did you mean --version?'
      : (PEER_COMMANDS[word] ?? suggestion(word, COMMAND_NAMES))
  return usage(`there is no command ${word}${meant}`)
}

function unknownOption(option: string, command: Command | null): UsageError {
  const options = command === null ? [] : commandFact(command).options
  const names = [...options.flatMap(({ name, aliases }) => [name, ...aliases]), 'version']
  const ours = PEER_OPTIONS[option]
  if (ours !== undefined) return usage(`there is no option ${spelled(option)} of optimizer: ${ours}`)
  // Of one letter any other is as near.
  const found = option.length === 1 ? undefined : nearest(option, names)
  const where = command === null ? '' : ` of optimizer ${nameOf(command)}`
  const message = `there is no option ${spelled(option)}${where}`
  return found === undefined
    ? new UnknownOptionError(option, `${message} ${HINT}`)
    : usage(`${message}: did you mean ${spelled(found)}?`)
}

function usage(message: string): UsageError {
  return new UsageError('USAGE', `${message} ${HINT}`)
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

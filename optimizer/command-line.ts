/** The parser: every command with its options. Apart from main.ts so that docs/cli.md can be made from it. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from '../shared/errors.ts'
import { cleanCommand } from './commands/clean.ts'
import type { Arguments, Command } from './commands/command.ts'
import { convertCommand } from './commands/convert.ts'
import { inspectCommand } from './commands/inspect.ts'
import { optimizeCommand } from './commands/optimize.ts'
import { recordCommand } from './commands/record.ts'
import { verifyCommand } from './commands/verify.ts'

export const COMMANDS: readonly Command[] = [
  optimizeCommand,
  convertCommand,
  recordCommand,
  inspectCommand,
  verifyCommand,
  cleanCommand,
]

const EXIT_CODES = `Exit codes: 0 done; 1 unexpected; 2 usage; 3 a precondition is missing (privilege, daemon, image, platform);
4 the workload failed or never got ready; 5 the record is incomplete; 6 verification failed; 130 interrupted.`

/** The parser with every command; `run` is what a chosen command is handed to. */
export function commandLine(args: string[], run: (command: Command, argv: Arguments) => Promise<void>): Argv {
  // The second argument keeps yargs from asking for the working directory, which may have been removed.
  let parser = yargs(args, '/')
    .scriptName('optimizer')
    .usage('$0 <command>\n\nMove the files a container image reads at start-up to the front of its layers.')
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
    .option('version', {
      type: 'boolean',
      describe: 'Show versions of the program and its compression engine',
    })
    .help()
    .alias('help', 'h')
    .strict()
    .demandCommand(1, 'name a command: optimize, convert, record, inspect, verify or clean')
    .recommendCommands()
    .wrap(110)
    .epilogue(EXIT_CODES)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError('USAGE', `${usageMessage(message, args)} (--help shows how)`)
    })
  for (const command of COMMANDS) {
    parser = parser.command(
      command.usage,
      command.describe,
      (builder) => command.builder(builder),
      (argv) => run(command, argv as Arguments),
    )
  }
  return parser
}

/** yargs' words on one line, where they say what is wrong. */
function usageMessage(message: string, args: readonly string[]): string {
  const line = message.replaceAll(/\s+/g, ' ').trim()
  const choice = /^Invalid values: Argument: (\S+), Given: (".*?"), Choices: ((?:"[^"]*"(?:, )?)+)/.exec(line)
  if (choice !== null) return `--${choice[1]} ${choice[2]}: write one of ${choice[3]?.replaceAll('"', '')}`
  const usage = COMMANDS.map((command) => command.usage).find((each) => each.split(' ', 1)[0] === args[0])
  if (usage !== undefined && line.startsWith('Not enough non-option arguments'))
    return `an argument is missing: optimizer ${usage}`
  const guess = /^Did you mean (.*)\?$/.exec(line)
  return guess === null ? line : `there is no such command: did you mean ${guess[1]}?`
}

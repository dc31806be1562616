/** This program as facts: its commands, options and arguments. */
import { HELP_FACT, optionFact, type ProgramFact } from '../shared/program-facts.ts'
import { COMMANDS, DESCRIBE, VERSION_OPTION } from './command-line.ts'
import { commandFact } from './commands/command-facts.ts'

export function programFact(): ProgramFact {
  const options = [optionFact('version', VERSION_OPTION), HELP_FACT]
  const own = { name: '', usage: '<command>', describe: DESCRIBE, positionals: [], options, examples: [] }
  return { name: 'optimizer', describe: DESCRIBE, commands: [own, ...COMMANDS.map(commandFact)] }
}

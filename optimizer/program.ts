/** This program as facts: its commands, options and arguments. */
import { HELP_FACT, optionFact, type ProgramFact } from '../shared/program-facts.ts'
import { allCommands, DESCRIBE, VERSION_OPTION } from './command-line.ts'
import { commandFact } from './commands/command-facts.ts'

export async function programFact(): Promise<ProgramFact> {
  const options = [optionFact('version', VERSION_OPTION), HELP_FACT]
  const own = { name: '', usage: '<command>', describe: DESCRIBE, positionals: [], options, examples: [] }
  return { name: 'optimizer', describe: DESCRIBE, commands: [own, ...(await allCommands()).map(commandFact)] }
}

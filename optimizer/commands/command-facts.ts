/** A command's options and arguments as facts: its builder is handed something that keeps what it is told. */
import type { Argv } from 'yargs'
import {
  type CommandFact,
  HELP_FACT,
  type OptionDefinition,
  optionFact,
  type PositionalFact,
} from '../../shared/program-facts.ts'
import type { Command } from './command.ts'

/** The part of yargs that builders use. */
class Listener {
  readonly options: CommandFact['options'] = []
  readonly positionals: PositionalFact[] = []

  option(name: string, definition: OptionDefinition): this {
    const fact = optionFact(name, definition)
    const known = this.options.findIndex((option) => option.name === name)
    if (known < 0) this.options.push(fact)
    else this.options[known] = fact
    return this
  }

  positional(name: string, { describe = '', choices = [] }: OptionDefinition): this {
    this.positionals.push({ name, describe, choices: choices.map(String) })
    return this
  }
}

/** Options that a builder adds. */
export function optionsOf(builder: (yargs: Argv) => Argv): CommandFact['options'] {
  return listen(builder).options
}

export function commandFact({ usage, describe, examples, builder }: Command): CommandFact {
  const { options, positionals } = listen(builder)
  const name = usage.split(' ', 1)[0] as string
  return { name, usage, describe, examples, positionals, options: [...options, HELP_FACT] }
}

function listen(builder: (yargs: Argv) => Argv): Listener {
  const listener = new Listener()
  builder(listener as unknown as Argv)
  return listener
}

/** What a program takes, as facts: its help is not the only thing made of them (completion, man pages, option files). */

/** An option as it is told to the parser. */
export interface OptionDefinition {
  alias?: string | readonly string[] | undefined
  group?: string | undefined
  type?: string | undefined
  array?: boolean | undefined
  choices?: readonly unknown[] | undefined
  default?: unknown
  defaultDescription?: string | undefined
  describe?: string | undefined
}

export interface OptionFact {
  name: string
  aliases: string[]
  group: string
  /** `list`: may be given any number of times. */
  kind: 'flag' | 'value' | 'list'
  /** Empty: any text. */
  choices: string[]
  /** As a person reads it, or nothing. */
  default: string | undefined
  describe: string
}

export interface PositionalFact {
  name: string
  describe: string
  /** Values, where only these are allowed. */
  choices: string[]
}

export interface CommandFact {
  /** Empty: the program itself. */
  name: string
  /** As in help: `name <required> [optional]`. */
  usage: string
  describe: string
  positionals: PositionalFact[]
  options: OptionFact[]
  examples: readonly { command: string; describe: string }[]
}

export interface ProgramFact {
  name: string
  /** In one line. */
  describe: string
  commands: CommandFact[]
}

const OTHER_GROUP = 'Options:'

/** Of every command of a program, whatever it does. */
export const HELP_FACT: OptionFact = {
  name: 'help',
  aliases: ['h'],
  group: OTHER_GROUP,
  kind: 'flag',
  choices: [],
  default: undefined,
  describe: 'Show help',
}

export function optionFact(name: string, definition: OptionDefinition): OptionFact {
  const { alias, group, array, choices } = definition
  return {
    name,
    aliases: [alias ?? []].flat().map(String),
    group: group ?? OTHER_GROUP,
    kind: array === true ? 'list' : definition.type === 'boolean' ? 'flag' : 'value',
    choices: (choices ?? []).map(String),
    default: shownDefault(definition),
    describe: definition.describe ?? '',
  }
}

function shownDefault(definition: OptionDefinition): string | undefined {
  if (definition.defaultDescription !== undefined) return definition.defaultDescription
  const value = definition.default
  return value === undefined || value === false ? undefined : String(value)
}

/** `--name`, or `-n` for a name of one letter. */
export function spelled(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`
}

/** By group, in order of appearance; what has no group comes last. */
export function grouped(options: readonly OptionFact[]): [group: string, options: OptionFact[]][] {
  const groups = new Map<string, OptionFact[]>()
  for (const option of options) {
    const group = groups.get(option.group)
    if (group === undefined) groups.set(option.group, [option])
    else group.push(option)
  }
  const isOther = ([group]: [string, OptionFact[]]) => group === OTHER_GROUP
  const all = [...groups]
  return [...all.filter((entry) => !isOther(entry)), ...all.filter(isOther)]
}

/** Completion for shells, made from what a program takes. The script knows all of it: no program is asked at a Tab. */
import { type CommandFact, type OptionFact, type ProgramFact, spelled } from './program-facts.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Options whose value is a file or a folder. */
export const PATH_OPTIONS: Readonly<Record<string, 'file' | 'folder'>> = {
  config: 'file',
  'record-in': 'file',
  'record-out': 'file',
  'prefetch-list': 'file',
  'env-file': 'file',
  notifier: 'file',
  address: 'file',
  'registry-config': 'file',
  'registry-ca': 'file',
  'registry-cert': 'file',
  'registry-key': 'file',
  'hosts-dir': 'folder',
  'spool-dir': 'folder',
  'cni-plugin-conf-dir': 'folder',
  'cni-plugin-dir': 'folder',
  output: 'file',
  out: 'file',
  'cache-dir': 'folder',
  report: 'file',
  root: 'folder',
  socket: 'file',
}

export interface Completed extends ProgramFact {
  /** After `--` comes a command of its own. */
  runsCommand?: boolean
}

export function completionScript(shell: Shell, program: Completed): string {
  const lines = { bash: bashLines, zsh: zshLines, fish: fishLines }[shell](program)
  return `${lines.join('\n')}\n`
}

function spellings({ name, aliases }: OptionFact): string[] {
  return [name, ...aliases].map(spelled)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function functionName({ name }: ProgramFact): string {
  return `_${name}_completion`
}

function bashLines(program: Completed): string[] {
  const { name, commands, runsCommand } = program
  const names = commands.map((command) => command.name).filter((word) => word !== '')
  return [
    `# bash completion of ${name}: eval "$(${name} ${runsCommand ? '--completion' : 'completion'} bash)"`,
    `${functionName(program)}() {`,
    `  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= index`,
    '  # --option=value is three words here.',
    '  if [[ $cur == = ]]; then cur=',
    `  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi`,
    '  for ((index = 1; index < COMP_CWORD; index++)); do',
    ...(runsCommand
      ? [
          `    if [[ \${COMP_WORDS[index]} == -- ]]; then`,
          '      if ((index + 1 == COMP_CWORD)); then mapfile -t COMPREPLY < <(compgen -c -- "$cur"); fi',
          '      return',
          '    fi',
        ]
      : [
          `    case \${COMP_WORDS[index]} in ${names.join('|')}) command=\${COMP_WORDS[index]}; break ;; esac`,
        ]),
    '  done',
    '  case $command:$prev in',
    ...bashValues(commands),
    '  esac',
    '  case $command in',
    ...commands.map(
      (command) =>
        `    ${command.name || "''"}) mapfile -t COMPREPLY < <(compgen -W ${quoted(words(command, names).join(' '))} -- "$cur") ;;`,
    ),
    '  esac',
    '}',
    `complete -o default -F ${functionName(program)} ${name}`,
  ]
}

/** What comes where no option's value is wanted. */
function words({ name, options, positionals }: CommandFact, commandNames: readonly string[]): string[] {
  return [
    ...(name === '' ? commandNames : positionals.flatMap(({ choices }) => choices)),
    ...options.flatMap(spellings),
  ]
}

/** What completes the values of options; options that are completed alike share a line. */
function bashValues(commands: readonly CommandFact[]): string[] {
  const patterns = new Map<string, string[]>()
  for (const { name, options } of commands)
    for (const option of options) {
      if (option.kind === 'flag') continue
      const answer = bashAnswer(option)
      const words = spellings(option).map((word) => `${name}:${word}`)
      patterns.set(answer, [...(patterns.get(answer) ?? []), ...words])
    }
  return [...patterns].map(([answer, words]) => `    ${words.join('|')}) ${answer}; return ;;`)
}

function bashAnswer({ name, choices }: OptionFact): string {
  if (choices.length > 0) return `mapfile -t COMPREPLY < <(compgen -W ${quoted(choices.join(' '))} -- "$cur")`
  const kind = PATH_OPTIONS[name]
  return kind === undefined
    ? 'compopt +o default'
    : `compopt -o filenames; mapfile -t COMPREPLY < <(compgen ${kind === 'file' ? '-f' : '-d'} -- "$cur")`
}

function zshLines(program: Completed): string[] {
  const { name, commands, runsCommand } = program
  const top = commands.find((command) => command.name === '')
  const others = commands.filter((command) => command !== top)
  const topOptions = (top?.options ?? []).map((option) => `    ${zshOption(option)} \\`)
  if (runsCommand)
    return [
      `#compdef ${name}`,
      `${functionName(program)}() {`,
      '  _arguments -s -S \\',
      ...topOptions,
      "    '(-)1:command: _command_names -e' '*::arguments: _normal'",
      '}',
      zshEnd(program),
    ]
  return [
    `#compdef ${name}`,
    `${functionName(program)}() {`,
    '  local line state',
    '  _arguments -C \\',
    ...topOptions,
    "    '1:command:->command' '*::argument:->argument'",
    '  case $state in',
    '    command)',
    `      local -a commands=(${others.map((command) => quoted(`${command.name}:${zshText(command.describe)}`)).join(' ')})`,
    '      _describe command commands ;;',
    '    argument)',
    '      case $line[1] in',
    ...others.flatMap((command) => [
      `        ${command.name})`,
      '          _arguments \\',
      ...command.options.map((option) => `            ${zshOption(option)} \\`),
      `            ${zshPositionals(command)} ;;`,
    ]),
    '      esac ;;',
    '  esac',
    '}',
    zshEnd(program),
  ]
}

/** In a folder of $fpath the file is the function; read by `source` it says for what it is. */
function zshEnd(program: Completed): string {
  const name = functionName(program)
  return `if [[ $funcstack[1] == _${program.name} ]]; then ${name} "$@"; else compdef ${name} ${program.name}; fi`
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, (character) => `\\${character}`)
}

function zshOption(option: OptionFact): string {
  const repeat = option.kind === 'list' ? '*' : ''
  const all = spellings(option)
  const value = option.kind === 'flag' ? '' : `:${zshText(option.name)}:${zshAction(option)}`
  return all
    .map((word) => {
      const others = option.kind === 'list' || all.length === 1 ? '' : `(${all.join(' ')})`
      return quoted(`${others}${repeat}${word}[${zshText(option.describe)}]${value}`)
    })
    .join(' ')
}

function zshAction({ name, choices }: OptionFact): string {
  if (choices.length > 0) return `(${choices.join(' ')})`
  const kind = PATH_OPTIONS[name]
  return kind === undefined ? '' : kind === 'file' ? '_files' : '_files -/'
}

function zshPositionals({ positionals }: CommandFact): string {
  return positionals.length === 0
    ? "''"
    : positionals
        .map(({ name, choices }) => {
          const action = choices.length > 0 ? `(${choices.join(' ')})` : '_files'
          return quoted(`:${zshText(name)}:${action}`)
        })
        .join(' ')
}

function fishLines({ name, commands, runsCommand }: Completed): string[] {
  const names = commands.map((command) => command.name).filter((word) => word !== '')
  return [
    `# fish completion of ${name}`,
    ...(runsCommand ? [`complete -c ${name} -x -a '(__fish_complete_subcommand)'`] : []),
    ...commands.flatMap((command) => fishCommand(name, command, names, runsCommand === true)),
  ]
}

function fishCommand(
  program: string,
  command: CommandFact,
  names: readonly string[],
  alone: boolean,
): string[] {
  const isTop = command.name === ''
  const condition = alone
    ? ''
    : isTop
      ? ` -n ${quoted(`not __fish_seen_subcommand_from ${names.join(' ')}`)}`
      : ` -n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`
  const line = (rest: string, describe: string) =>
    `complete -c ${program}${condition} ${rest} -d ${quoted(describe)}`
  const own = isTop
    ? []
    : [`complete -c ${program} -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.describe)}`]
  const choices = command.positionals.flatMap((positional) => positional.choices)
  return [
    ...own,
    ...(choices.length > 0
      ? [line(`-a ${quoted(choices.join(' '))}`, command.positionals[0]?.name ?? '')]
      : []),
    ...command.options.map((option) => line(fishOption(option), option.describe)),
  ]
}

function fishOption(option: OptionFact): string {
  // Fish has a spelling of its own for each kind: -s a letter, -l a word.
  const flags = [option.name, ...option.aliases]
    .map((word) => `-${word.length === 1 ? 's' : 'l'} ${word}`)
    .join(' ')
  if (option.kind === 'flag') return flags
  if (option.choices.length > 0) return `${flags} -x -a ${quoted(option.choices.join(' '))}`
  const kind = PATH_OPTIONS[option.name]
  if (kind === undefined) return `${flags} -x`
  return kind === 'file' ? `${flags} -r -F` : `${flags} -x -a '(__fish_complete_directories)'`
}

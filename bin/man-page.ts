/** Man pages, made from what the programs take. @see man-pages(7), groff_man(7) */
import {
  type CommandFact,
  grouped,
  type OptionFact,
  type ProgramFact,
  spelled,
} from '../shared/program-facts.ts'

export interface PageSection {
  title: string
  /** Paragraphs. */
  text: readonly string[]
}

/** @param sections what follows the commands and options */
export function manPage(program: ProgramFact, version: string, sections: readonly PageSection[]): string {
  const { name, describe, commands } = program
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "hotlayer ${version}" "User Commands"`,
    '.SH NAME',
    `${name} \\- ${escaped(describe.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    ...commands
      .filter((command) => command.name !== '' || commands.length === 1)
      .flatMap((command) => ['.br', `.B ${name}`, escaped(command.usage)])
      .slice(1),
    ...commands.flatMap((command) => commandLines(command, commands.length === 1)),
    ...sections.flatMap(({ title, text }) => [`.SH ${title}`, ...paragraphs(text)]),
  ]
  return `${lines.join('\n')}\n`
}

function commandLines(command: CommandFact, isOnly: boolean): string[] {
  const { name, usage, describe, positionals, options, examples } = command
  const head =
    name === ''
      ? ['.SH OPTIONS']
      : [`.SH ${name.toUpperCase()}`, `.B ${escaped(usage)}`, ...paragraphs([`${describe}.`])]
  return [
    ...head,
    ...positionals.flatMap(({ name: argument, describe: text }) => ['.TP', `.I ${argument}`, escaped(text)]),
    ...grouped(options).flatMap(([group, ofGroup]) => [
      ...(name === '' && !isOnly ? [] : [`.SS ${escaped(group.replace(/:$/, ''))}`]),
      ...ofGroup.flatMap(optionLines),
    ]),
    ...(examples.length === 0 ? [] : [name === '' ? '.SH EXAMPLES' : '.SS Examples']),
    ...examples.flatMap(({ command: line, describe: text }) => [
      '.PP',
      `${escaped(text)}:`,
      '.PP',
      '.nf',
      '.RS',
      escaped(line),
      '.RE',
      '.fi',
    ]),
  ]
}

function optionLines(option: OptionFact): string[] {
  const value = option.kind === 'flag' ? '' : ` \\fI${escaped(valueName(option))}\\fR`
  const words = [option.name, ...option.aliases].map((word) => `\\fB${escaped(spelled(word))}\\fR${value}`)
  const facts = [
    option.kind === 'list' && !/repeat/.test(option.describe) ? 'may be repeated' : '',
    option.choices.length > 0 ? `one of ${option.choices.join(', ')}` : '',
    option.default === undefined ? '' : `default: ${option.default}`,
  ].filter((fact) => fact !== '')
  const rest = facts.length === 0 ? '' : ` (${facts.join('; ')})`
  return ['.TP', words.join(', '), escaped(`${option.describe}${rest}`)]
}

function valueName({ describe }: OptionFact): string {
  return (
    /\b(KEY=VALUE|NAME=value|HOST:PORT|JSON array)\b/.exec(describe)?.[1]?.replace('JSON array', 'JSON') ??
    'VALUE'
  )
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => ['.PP', ...text.split('\n').map(escaped)])
}

/** Dashes that can be copied, and no line that begins like a request. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
    .replaceAll('’', "'")
    .replaceAll('…', '...')
}

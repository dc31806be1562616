/** What a file of options may say, for people and for editors; made from the command table. */
import type { OptionFact } from '../../shared/program-facts.ts'
import { fileOptions, naturalForm } from './options-file.ts'
import { FILE_COMMANDS, fileScheme } from './run-with-file.ts'

interface Row {
  option: OptionFact
  /** Names of commands. */
  commands: string[]
  ofWorkload: boolean
}

/** Every option of every command that takes a file, once. */
function rows(): Row[] {
  const found = new Map<string, Row>()
  for (const command of FILE_COMMANDS) {
    const scheme = fileScheme(command)
    for (const option of fileOptions(scheme.command)) {
      if (scheme.notFromFile.includes(option.name)) continue
      const known = found.get(option.name)
      if (known === undefined)
        found.set(option.name, {
          option,
          commands: [scheme.command.name],
          ofWorkload: scheme.ofWorkload.includes(option.name),
        })
      else known.commands.push(scheme.command.name)
    }
  }
  return [...found.values()]
}

/** Rows of Markdown. */
export function configTable(): string {
  return [
    '| key | value | of a workload | command |',
    '| --- | --- | --- | --- |',
    ...rows().map(
      ({ option, commands, ofWorkload }) =>
        `| \`${option.name}\` | ${valueText(option)} | ${ofWorkload ? 'yes' : ''} | ${commands.length === FILE_COMMANDS.length ? '' : commands.join(', ')} |`,
    ),
  ].join('\n')
}

function valueText(option: OptionFact): string {
  const { isArray, isMap, isCommaList } = naturalForm(option)
  if (option.kind === 'flag') return '`true` or `false`'
  if (option.choices.length > 0) return option.choices.map((choice) => `\`${choice}\``).join(', ')
  if (option.kind === 'list')
    return isMap ? 'map, or list' : isArray ? 'list of words, or list of such lists' : 'list'
  if (isArray) return 'list of words'
  return isCommaList ? 'text, or list' : 'text'
}

const WORD = { type: ['string', 'number'] }
const WORDS = { type: 'array', items: WORD }

/** @see json-schema.org, draft 2020-12 */
export function configSchema(): object {
  const all = rows()
  const properties = (some: readonly Row[]) =>
    Object.fromEntries(
      some.map(({ option }) => [option.name, { description: option.describe, ...valueSchema(option) }]),
    )
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Options of optimizer optimize, record and replay (--config)',
    type: 'object',
    additionalProperties: false,
    properties: {
      source: { description: 'the image', type: 'string' },
      target: { description: 'optimize: where the new image goes; replay: the image', type: 'string' },
      ...properties(all),
      workloads: {
        description: 'several workloads of the image, one after the other',
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['name'],
          properties: {
            name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$' },
            ...properties(all.filter(({ ofWorkload }) => ofWorkload)),
          },
        },
      },
    },
  }
}

function valueSchema(option: OptionFact): object {
  const { isArray, isMap, isCommaList } = naturalForm(option)
  if (option.kind === 'flag') return { type: 'boolean' }
  if (option.choices.length > 0) return { enum: option.choices }
  if (option.kind === 'value') return isArray || isCommaList ? { anyOf: [WORD, WORDS] } : WORD
  if (isMap) {
    const values = { type: ['string', 'number', 'boolean', 'null'] }
    return { anyOf: [WORD, WORDS, { type: 'object', additionalProperties: values }] }
  }
  return isArray ? { anyOf: [WORD, WORDS, { type: 'array', items: WORDS }] } : { anyOf: [WORD, WORDS] }
}

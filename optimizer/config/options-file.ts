/** From the values of a file to what the command line's parser would have been told. docs/config.md is its text. */
import { nearest, suggestion } from '../../shared/nearest.ts'
import type { CommandFact, OptionFact } from '../../shared/program-facts.ts'
import { ConfigError, type Entry, type Place, parseOptionsFile, type Value } from './document.ts'

/** As the parser gives them to a command. */
export type OptionValue = string | boolean | string[]

export interface PlacedOptions {
  values: Record<string, OptionValue>
  places: Map<string, Place>
}

export interface FileWorkload extends PlacedOptions {
  name: string
}

export interface OptionsFile extends PlacedOptions {
  path: string
  /** Empty: one, of the file's own options. */
  workloads: FileWorkload[]
}

/** What a file may say. */
export interface FileScheme {
  /** The command's own. */
  command: CommandFact
  /** Of other commands that read the same file: left alone. */
  others: readonly CommandFact[]
  /** Names of options that a workload of several may have for itself. */
  ofWorkload: readonly string[]
}

const WORKLOADS = 'workloads'
const NAME = 'name'
/** What names the file, or tells about the program, is not the file's to say. */
const NOT_IN_FILES = ['config', 'help']

/** @throws {ConfigError} */
export function readOptions(text: string, path: string, scheme: FileScheme): OptionsFile {
  const root = parseOptionsFile(text, path)
  const reader = new OptionsReader(path, scheme)
  const entries = reader.entries(root, 'the file')
  const list = entries.find(({ key }) => key === WORKLOADS)
  return {
    path,
    ...reader.options(entries.filter((entry) => entry !== list)),
    workloads: list === undefined ? [] : reader.workloads(list.value),
  }
}

/** The keys that a file for this command may have. */
export function fileOptions(command: CommandFact): OptionFact[] {
  return command.options.filter(({ name }) => !NOT_IN_FILES.includes(name))
}

/** How else a value may be written than as the text of the command line. */
export function naturalForm({ kind, describe }: OptionFact): {
  /** A list of words is the one value. */
  isArray: boolean
  /** `{NAME: value}` in place of `NAME=value`. */
  isMap: boolean
  /** A list in place of a text with commas. */
  isCommaList: boolean
} {
  return {
    isArray: /\bJSON array\b/.test(describe),
    isMap: kind === 'list' && /\b(?:NAME|KEY)=/i.test(describe),
    isCommaList: kind === 'value' && /\bcommas?\b/.test(describe),
  }
}

class OptionsReader {
  readonly #file: string
  readonly #scheme: FileScheme

  constructor(file: string, scheme: FileScheme) {
    this.#file = file
    this.#scheme = scheme
  }

  entries(value: Value, what: string): Entry[] {
    if (value.kind === 'map') return value.entries
    throw this.#error(value.place, `${what} must be a map of options`)
  }

  workloads(list: Value): FileWorkload[] {
    if (list.kind !== 'list' || list.items.length === 0)
      throw this.#error(list.place, `${WORKLOADS} must be a list, each with a ${NAME} and options of its own`)
    const names = new Set<string>()
    return list.items.map((item) => {
      const entries = this.entries(item, 'a workload')
      const named = entries.find(({ key }) => key === NAME)
      const name = named === undefined ? '' : this.#text(named)
      if (!/^[A-Za-z0-9][\w.-]*$/.test(name))
        throw this.#error(
          named?.value.place ?? item.place,
          `a workload needs a ${NAME} of letters, digits, ".", "_", "-"`,
        )
      if (names.has(name)) throw this.#error(item.place, `there are two workloads called ${name}`)
      names.add(name)
      const own = entries.filter((entry) => entry !== named)
      for (const entry of own) this.#requireOfWorkload(entry)
      return { name, ...this.options(own) }
    })
  }

  options(entries: readonly Entry[]): PlacedOptions {
    const values: PlacedOptions['values'] = {}
    const places: PlacedOptions['places'] = new Map()
    for (const entry of entries) {
      const value = this.#value(entry)
      if (value === undefined) continue
      values[entry.key] = value
      places.set(entry.key, entry.value.place)
    }
    return { values, places }
  }

  #requireOfWorkload({ key, place }: Entry): void {
    const { ofWorkload } = this.#scheme
    if (ofWorkload.includes(key)) return
    if (fileOptions(this.#scheme.command).some(({ name }) => name === key))
      throw this.#error(place, `${key} is for all workloads: write it beside ${WORKLOADS}`)
    throw this.#error(place, `a workload has no option ${key}${suggestion(key, [...ofWorkload, NAME])}`)
  }

  /** @returns nothing for what is another command's */
  #value(entry: Entry): OptionValue | undefined {
    const { command, others } = this.#scheme
    const { key } = entry
    if (command.positionals.some(({ name }) => name === key)) return this.#text(entry)
    const option = fileOptions(command).find(({ name }) => name === key)
    if (option !== undefined) return this.#optionValue(option, entry)
    const isOther = others.some(
      (other) =>
        other.positionals.some(({ name }) => name === key) ||
        fileOptions(other).some(({ name }) => name === key),
    )
    if (isOther) return undefined
    throw this.#error(entry.place, this.#unknownKey(key))
  }

  #unknownKey(key: string): string {
    if (NOT_IN_FILES.includes(key)) return `${key} is for the command line alone`
    const { command, others } = this.#scheme
    const facts = [command, ...others]
    const alias = facts.flatMap(({ options }) => options).find(({ aliases }) => aliases.includes(key))
    if (alias !== undefined) return `there is no option ${key}: write ${alias.name}`
    const names = facts.flatMap((fact) => [...fileOptions(fact), ...fact.positionals].map(({ name }) => name))
    const kebab = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-')
    const meant = names.includes(kebab) ? kebab : nearest(kebab, [...names, WORKLOADS])
    return `there is no option ${key}${meant === undefined ? '' : `: did you mean ${meant}?`}`
  }

  #optionValue(option: OptionFact, entry: Entry): OptionValue {
    const { value } = entry
    const form = naturalForm(option)
    if (option.kind === 'flag') {
      if (value.kind === 'boolean') return value.text.toLowerCase() === 'true'
      throw this.#error(value.place, `${option.name} must be true or false`)
    }
    if (option.kind === 'list') return this.#list(option, value)
    if (value.kind === 'list' && form.isArray)
      return JSON.stringify(value.items.map((item) => this.#word(option, item)))
    if (value.kind === 'list' && form.isCommaList)
      return value.items.map((item) => this.#word(option, item)).join(',')
    const text = this.#word(option, value)
    if (option.choices.length > 0 && !option.choices.includes(text)) {
      const hint = suggestion(text, option.choices)
      throw this.#error(value.place, `${option.name} must be one of ${option.choices.join(', ')}${hint}`)
    }
    return text
  }

  #list(option: OptionFact, value: Value): string[] {
    const { isArray, isMap } = naturalForm(option)
    if (value.kind === 'map' && isMap) return value.entries.map((entry) => this.#assignment(option, entry))
    if (value.kind !== 'list') return [this.#word(option, value)]
    // A list of words is one command, a list of lists are several.
    if (
      isArray &&
      value.items.length > 0 &&
      value.items.every((item) => isWord(item) && !item.text.startsWith('['))
    )
      return [this.#array(option, value)]
    return value.items.map((item) =>
      isArray && item.kind === 'list' ? this.#array(option, item) : this.#word(option, item),
    )
  }

  #array(option: OptionFact, { items }: Value & { kind: 'list' }): string {
    return JSON.stringify(items.map((item) => this.#word(option, item)))
  }

  /** `NAME: null` is NAME alone. */
  #assignment(option: OptionFact, { key, value }: Entry): string {
    if (value.kind === 'null') return key
    return `${key}=${isWord(value) ? value.text : this.#word(option, value)}`
  }

  #text({ key, value }: Entry): string {
    if (isWord(value)) return value.text
    throw this.#error(value.place, `${key} must be a text`)
  }

  /** A text or a number; `true` in place of a text is more often a mistake than meant. */
  #word(option: OptionFact, value: Value): string {
    if (value.kind === 'text' || value.kind === 'number') return value.text
    const { isArray, isMap, isCommaList } = naturalForm(option)
    const wanted = isArray ? 'a list of words' : isMap ? 'a map or a list of texts' : 'a text'
    const list = isCommaList
      ? ', or a list of them'
      : option.kind === 'list' && !isMap && !isArray
        ? ', or a list of them'
        : ''
    const quote = value.kind === 'boolean' ? ` ("${value.text}" in quotes is one)` : ''
    throw this.#error(value.place, `${option.name} must be ${wanted}${list}${quote}`)
  }

  #error(place: Place, message: string): ConfigError {
    return new ConfigError(this.#file, place, message)
  }
}

function isWord(value: Value): value is Value & { text: string } {
  return value.kind === 'text' || value.kind === 'number' || value.kind === 'boolean'
}

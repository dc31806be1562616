/** From the values of a file to what the command line's parser would have been told. docs/config.md is its text. */
import { nearest, suggestion } from '../../shared/nearest.ts'
import type { CommandFact, OptionFact } from '../../shared/program-facts.ts'
import { ConfigError, type Entry, type Place, parseOptionsFile, type Value } from './document.ts'

/** As the parser gives them to a command. */
export type OptionValue = string | boolean | string[]

export interface PlacedOptions {
  values: Record<string, OptionValue>
  places: Map<string, Place>
  /** Of each value of those that may be given any number of times. */
  itemPlaces: Map<string, Place[]>
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
  /** Keys that mean another one to this command, before which they go. */
  renamed: Readonly<Record<string, string>>
  /** Options of the command's own that only its command line may give. */
  notFromFile: readonly string[]
}

/** A mistake that is seen in the file alone, by what keys there are and what their values look like. */
export interface ReadMistake {
  error: ConfigError
  /** null: of the file as a whole, or of its list of workloads. */
  option: string | null
  /** null: of all workloads. */
  workload: string | null
}

export interface OptionsReading {
  /** What can be read in spite of the mistakes. */
  file: OptionsFile
  /** By their places. */
  mistakes: ReadMistake[]
}

const WORKLOADS = 'workloads'
const NAME = 'name'
/** What names the file, or tells about the program, is not the file's to say. */
const NOT_IN_FILES = ['config', 'help']

/** @throws {ConfigError} the first mistake */
export function readOptions(text: string, path: string, scheme: FileScheme): OptionsFile {
  const { file, mistakes } = tryOptions(text, path, scheme)
  if (mistakes[0] !== undefined) throw mistakes[0].error
  return file
}

/** Finds every mistake. */
export function tryOptions(text: string, path: string, scheme: FileScheme): OptionsReading {
  const unreadable: ConfigError[] = []
  const root = parseOptionsFile(text, path, unreadable)
  const reader = new OptionsReader(path, scheme)
  const entries = root === null ? [] : renamedEntries(reader.entries(root, 'the file'), scheme.renamed)
  const list = entries.find(({ key }) => key === WORKLOADS)
  const options = reader.options(entries.filter((entry) => entry !== list))
  const workloads = list === undefined ? [] : reader.workloads(list.value)
  const ofFile = unreadable.map((error) => ({ error, option: null, workload: null }))
  return {
    file: { path, ...options, workloads },
    mistakes: [...ofFile, ...reader.mistakes].sort(({ error: one }, { error: other }) =>
      comparePlaces(one.place, other.place),
    ),
  }
}

export function comparePlaces(one: Place, other: Place): number {
  return one.line - other.line || one.column - other.column
}

function renamedEntries(entries: readonly Entry[], renamed: FileScheme['renamed']): Entry[] {
  const names = new Map(Object.entries(renamed))
  const replaced = entries.flatMap(({ key }) => names.get(key) ?? [])
  return entries
    .filter(({ key }) => !replaced.includes(key))
    .map((entry) => ({ ...entry, key: names.get(entry.key) ?? entry.key }))
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

interface PlacedText {
  text: string
  place: Place
}

class OptionsReader {
  readonly mistakes: ReadMistake[] = []
  readonly #file: string
  readonly #scheme: FileScheme
  /** What is read now. */
  #workload: string | null = null
  #option: string | null = null

  constructor(file: string, scheme: FileScheme) {
    this.#file = file
    this.#scheme = scheme
  }

  entries(value: Value, what: string): Entry[] {
    if (value.kind === 'map') return value.entries
    this.#note(this.#error(value.place, `${what} must be a map of options`))
    return []
  }

  workloads(list: Value): FileWorkload[] {
    if (list.kind !== 'list' || list.items.length === 0) {
      const wanted = `${WORKLOADS} must be a list, each with a ${NAME} and options of its own`
      this.#note(this.#error(list.place, wanted))
      return []
    }
    const names = new Set<string>()
    const workloads = list.items.map((item) => {
      this.#workload = null
      const entries = this.entries(item, 'a workload')
      const named = entries.find(({ key }) => key === NAME)
      const name = item.kind === 'map' ? this.#name(item, named, names) : ''
      this.#workload = name
      const own = entries.filter((entry) => entry !== named && this.#isOfWorkload(entry))
      return { name, ...this.options(own) }
    })
    this.#workload = null
    return workloads
  }

  options(entries: readonly Entry[]): PlacedOptions {
    const read: PlacedOptions = { values: {}, places: new Map(), itemPlaces: new Map() }
    for (const entry of entries) {
      this.#option = entry.key
      const value = this.#tried(() => this.#value(entry))
      if (value === undefined) continue
      read.places.set(entry.key, entry.value.place)
      if (typeof value !== 'object') read.values[entry.key] = value
      else {
        read.values[entry.key] = value.map(({ text }) => text)
        read.itemPlaces.set(
          entry.key,
          value.map(({ place }) => place),
        )
      }
    }
    this.#option = null
    return read
  }

  /** '' and a mistake more where it has none that can be used. */
  #name(item: Value, named: Entry | undefined, names: Set<string>): string {
    const name = named !== undefined && isWord(named.value) ? named.value.text : ''
    if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) {
      const wanted = `a workload needs a ${NAME} of letters, digits, ".", "_", "-"`
      this.#note(this.#error(named?.value.place ?? item.place, wanted))
      return ''
    }
    if (names.has(name)) this.#note(this.#error(item.place, `there are two workloads called ${name}`))
    names.add(name)
    return name
  }

  #isOfWorkload({ key, place }: Entry): boolean {
    const { ofWorkload } = this.#scheme
    if (ofWorkload.includes(key)) return true
    const isOfAll = fileOptions(this.#scheme.command).some(({ name }) => name === key)
    const message = isOfAll
      ? `${key} is for all workloads: write it beside ${WORKLOADS}`
      : `a workload has no option ${key}${suggestion(key, [...ofWorkload, NAME])}`
    this.#option = key
    this.#note(this.#error(place, message))
    return false
  }

  #note(error: ConfigError): void {
    this.mistakes.push({ error, option: this.#option, workload: this.#workload })
  }

  /** What `read` gives; nothing, and a mistake more, where it cannot be read. */
  #tried<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      this.#note(error)
      return undefined
    }
  }

  /** @returns nothing for what is another command's */
  #value(entry: Entry): string | boolean | PlacedText[] | undefined {
    const { command, others, notFromFile } = this.#scheme
    const { key } = entry
    if (notFromFile.includes(key)) return undefined
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

  #optionValue(option: OptionFact, entry: Entry): string | boolean | PlacedText[] {
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

  /** What cannot be read of it is left out. */
  #list(option: OptionFact, value: Value): PlacedText[] {
    const { isArray, isMap } = naturalForm(option)
    if (value.kind === 'map' && isMap)
      return value.entries.flatMap((entry) =>
        this.#item(entry.value.place, () => this.#assignment(option, entry)),
      )
    if (value.kind !== 'list') return [{ text: this.#word(option, value), place: value.place }]
    // A list of words is one command, a list of lists are several.
    if (
      isArray &&
      value.items.length > 0 &&
      value.items.every((item) => isWord(item) && !item.text.startsWith('['))
    )
      return [{ text: this.#array(option, value), place: value.place }]
    return value.items.flatMap((item) =>
      this.#item(item.place, () =>
        isArray && item.kind === 'list' ? this.#array(option, item) : this.#word(option, item),
      ),
    )
  }

  #item(place: Place, read: () => string): PlacedText[] {
    const text = this.#tried(read)
    return text === undefined ? [] : [{ text, place }]
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

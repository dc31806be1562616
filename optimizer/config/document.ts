/** A file of options as values that know where they stand. YAML 1.2, of which JSON is a part. */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml'
import { UsageError } from '../../shared/errors.ts'

/** Both from 1. */
export interface Place {
  line: number
  column: number
}

export type Value = { place: Place } & (
  | { kind: 'text' | 'number' | 'boolean' | 'null'; text: string }
  | { kind: 'list'; items: Value[] }
  | { kind: 'map'; entries: Entry[] }
)

export interface Entry {
  key: string
  place: Place
  value: Value
}

/** A file of options is not what it should be. Code: CONFIG_INVALID. The message begins with file, line and column. */
export class ConfigError extends UsageError {
  constructor(file: string, { line, column }: Place, message: string, options: { cause?: unknown } = {}) {
    super('CONFIG_INVALID', `${file}:${line}:${column}: ${message}`, options)
  }
}

/** Aliases can make a small file a large one. */
const VALUES_MAX = 100_000

/** @throws {ConfigError} */
export function parseOptionsFile(text: string, file: string): Value {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new ConfigError(file, { line, column: col }, firstLetterSmall(error.message), { cause: error })
  }
  const reader = new Reader(file, document, lines)
  return document.contents === null
    ? { kind: 'map', entries: [], place: { line: 1, column: 1 } }
    : reader.read(document.contents)
}

function firstLetterSmall(message: string): string {
  return `${message.slice(0, 1).toLowerCase()}${message.slice(1)}`
}

class Reader {
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter
  #values = 0

  constructor(file: string, document: Document, lines: LineCounter) {
    this.#file = file
    this.#document = document
    this.#lines = lines
  }

  read(node: Node): Value {
    const place = this.#placeOf(node)
    this.#values++
    if (this.#values > VALUES_MAX) throw new ConfigError(this.#file, place, `more than ${VALUES_MAX} values`)
    if (isAlias(node)) {
      const meant = node.resolve(this.#document)
      if (meant === undefined) throw new ConfigError(this.#file, place, `nothing is called ${node.source}`)
      return { ...this.read(meant), place }
    }
    if (isMap(node))
      return { kind: 'map', place, entries: node.items.map((pair) => this.#entry(pair, place)) }
    if (isSeq(node)) return { kind: 'list', place, items: node.items.map((item) => this.read(item as Node)) }
    if (isScalar(node)) return { place, ...scalar(node.value, node.source) }
    throw new ConfigError(this.#file, place, 'this is no value')
  }

  #entry(pair: unknown, within: Place): Entry {
    const { key, value } = isPair(pair) ? pair : { key: null, value: null }
    if (!isScalar(key)) throw new ConfigError(this.#file, within, 'a key must be a word')
    const place = this.#placeOf(key)
    const name = key.source ?? String(key.value)
    return {
      key: name,
      place,
      value: value === null ? { kind: 'null', text: '', place } : this.read(value as Node),
    }
  }

  #placeOf({ range }: Node): Place {
    const { line, col } = this.#lines.linePos(range?.[0] ?? 0)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
}

/** Numbers keep the text that they are written as: 010 is an id, and 1.50 a share. */
function scalar(
  value: unknown,
  source: string | undefined,
): { kind: 'text' | 'number' | 'boolean' | 'null'; text: string } {
  if (value === null) return { kind: 'null', text: '' }
  if (typeof value === 'string') return { kind: 'text', text: value }
  return { kind: typeof value === 'boolean' ? 'boolean' : 'number', text: source ?? String(value) }
}

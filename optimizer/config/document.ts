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
  readonly place: Place
  /** The message without the place. */
  readonly sentence: string

  constructor(file: string, place: Place, sentence: string, options: { cause?: unknown } = {}) {
    super('CONFIG_INVALID', `${file}:${place.line}:${place.column}: ${sentence}`, options)
    this.place = place
    this.sentence = sentence
  }
}

/** Aliases can make a small file a large one. */
const VALUES_MAX = 100_000

/**
 * @param mistakes where every mistake goes
 * @returns what can be read in spite of them; null where nothing behind a mistake means what it seems to mean
 */
export function parseOptionsFile(text: string, file: string, mistakes: ConfigError[]): Value | null {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  for (const error of document.errors) {
    const { line, col } = lines.linePos(error.pos[0])
    const place = { line, column: col }
    mistakes.push(new ConfigError(file, place, firstLetterSmall(error.message), { cause: error }))
  }
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return null
  const empty: Value = { kind: 'map', entries: [], place: { line: 1, column: 1 } }
  if (document.contents === null) return empty
  return new Reader(file, document, lines, mistakes).read(document.contents) ?? empty
}

function firstLetterSmall(message: string): string {
  return `${message.slice(0, 1).toLowerCase()}${message.slice(1)}`
}

class Reader {
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #mistakes: ConfigError[]
  /** What the node is within that is read now. */
  readonly #open = new Set<Node>()
  #values = 0

  constructor(file: string, document: Document, lines: LineCounter, mistakes: ConfigError[]) {
    this.#file = file
    this.#document = document
    this.#lines = lines
    this.#mistakes = mistakes
  }

  /** Nothing, and a mistake more, where this is no value. */
  read(node: Node): Value | undefined {
    const place = this.#placeOf(node)
    this.#values++
    // Told once: nothing is read beyond it.
    if (this.#values > VALUES_MAX)
      return this.#values === VALUES_MAX + 1
        ? this.#refuse(place, `more than ${VALUES_MAX} values`)
        : undefined
    if (isAlias(node)) {
      const meant = node.resolve(this.#document)
      if (meant === undefined) return this.#refuse(place, `nothing is called ${node.source}`)
      if (this.#open.has(meant))
        return this.#refuse(place, `*${node.source} stands within what it stands for`)
      const value = this.read(meant)
      return value === undefined ? undefined : { ...value, place }
    }
    if (isScalar(node)) return { place, ...scalar(node.value, node.source) }
    this.#open.add(node)
    try {
      if (isMap(node))
        return { kind: 'map', place, entries: node.items.flatMap((pair) => this.#entry(pair, place) ?? []) }
      if (isSeq(node))
        return { kind: 'list', place, items: node.items.flatMap((item) => this.read(item as Node) ?? []) }
    } finally {
      this.#open.delete(node)
    }
    return this.#refuse(place, 'this is no value')
  }

  #entry(pair: unknown, within: Place): Entry | undefined {
    const { key, value } = isPair(pair) ? pair : { key: null, value: null }
    if (!isScalar(key)) return this.#refuse(within, 'a key must be a word')
    const place = this.#placeOf(key)
    const name = key.source ?? String(key.value)
    if (value === null) return { key: name, place, value: { kind: 'null', text: '', place } }
    const read = this.read(value as Node)
    return read === undefined ? undefined : { key: name, place, value: read }
  }

  #refuse(place: Place, sentence: string): undefined {
    this.#mistakes.push(new ConfigError(this.#file, place, sentence))
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

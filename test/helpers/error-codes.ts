/** Error codes and exit statuses, as the sources have them: read from the text of whatever makes a coded error. */
import { EXIT } from '../../shared/errors.ts'

export interface Source {
  path: string
  text: string
}

/** A class of errors, as far as it fixes what its errors say. */
interface ErrorClass {
  parent: string
  codes: string[]
  exit: number | undefined
}

const CODE = /'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g

/** @returns the exit statuses that each code ends a process with, sorted; by code */
export function errorCodes(sources: readonly Source[]): Map<string, number[]> {
  const classes = new Map(sources.flatMap(({ text }) => errorClasses(text)))
  const found = new Map<string, Set<number>>()
  const add = (code: string, exits: readonly number[]) => {
    for (const exit of exits) found.set(code, (found.get(code) ?? new Set()).add(exit))
  }
  for (const [name, { codes }] of classes) for (const code of codes) add(code, exitsOf(name, classes, ''))
  for (const { text } of sources)
    for (const { 1: name = '', index } of text.matchAll(/\b(?:new )?(\w+Error)\(/g)) {
      const made = name === 'orNativeError' ? 'NativeError' : name
      if (!classes.has(made) || /\bfunction $/.test(text.slice(0, index))) continue
      const words = argumentsAt(text, text.indexOf('(', index))
      for (const code of codesIn(firstOf(words))) add(code, exitsOf(made, classes, words))
    }
  return new Map([...found].map(([code, exits]) => [code, [...exits].sort()]))
}

function errorClasses(text: string): [string, ErrorClass][] {
  return [...text.matchAll(/^(?:export )?class (\w+) extends (\w+)\b.*\{(?:\}|[\s\S]*?^\})/gm)].map(
    ([body, name = '', parent = '']) => {
      const at = body.indexOf('super(')
      const words = at < 0 ? '' : argumentsAt(body, at + 'super'.length)
      return [name, { parent, codes: codesIn(firstOf(words)), exit: exitIn(words) }]
    },
  )
}

/** What is said where it is made goes before what its class says. */
function exitsOf(name: string, classes: ReadonlyMap<string, ErrorClass>, words: string): number[] {
  const said = [...words.matchAll(/\bEXIT\.(\w+)/g)].map(([, key]) => EXIT[key as keyof typeof EXIT])
  if (said.length > 0) return said
  if (name === 'NativeError') return [EXIT.unexpected, EXIT.precondition]
  const known = classes.get(name)
  if (known === undefined || name === 'CodedError') return [EXIT.unexpected]
  return known.exit === undefined ? exitsOf(known.parent, classes, '') : [known.exit]
}

function exitIn(words: string): number | undefined {
  const key = /\bEXIT\.(\w+)/.exec(words)?.[1]
  return key === undefined ? undefined : EXIT[key as keyof typeof EXIT]
}

function codesIn(text: string): string[] {
  return [...text.matchAll(CODE)].map(([, code = '']) => code)
}

/** From a parenthesis to the one that closes it. */
function argumentsAt(text: string, open: number): string {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0) return text.slice(open + 1, at)
  }
  return text.slice(open + 1)
}

/** Codes come before all commas. */
function firstOf(words: string): string {
  return words.split(',', 1)[0] ?? ''
}

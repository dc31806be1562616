/** Words behind options that take a value, as they were typed: what begins with a dash is a value as well. */
import { UsageError } from './errors.ts'
import { nearest } from './nearest.ts'
import { type OptionFact, spelled } from './program-facts.ts'

type Spellings = ReadonlyMap<string, OptionFact>

/**
 * The same words, where `--name -value` is written as `--name=-value`, which the parser cannot mistake.
 * @throws {UsageError} USAGE: a value is missing, or one that a flag does not have
 */
export function withTypedValues(args: readonly string[], options: readonly OptionFact[]): string[] {
  const bySpelling = spellings(options)
  const words: string[] = []
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string
    if (word === '--') return [...words, ...args.slice(at)]
    // One dash less than meant would be a bundle of letters.
    const [, long = ''] = /^-([a-z][a-z-]+)(?:=|$)/.exec(word) ?? []
    if (bySpelling.has(`--${long}`))
      throw new UsageError('USAGE', `there is no option -${long}: did you mean --${long}? (--help shows how)`)
    requireSwitch(word, bySpelling)
    const taking = takingValue(word, bySpelling)
    if (taking === undefined) words.push(word)
    else {
      at++
      const { flags, spelling, option } = taking
      requireOneWord(spelling, option, args.slice(at), bySpelling)
      words.push(...flags, ...withValue(spelling, option, args[at], bySpelling))
    }
  }
  return words
}

/** The parser would take whatever else is behind a flag, as `--verify=yes`, for `false`. */
function requireSwitch(word: string, bySpelling: Spellings): void {
  const [, spelling = '', value = ''] = /^(--?[^=]+)=(.*)$/s.exec(word) ?? []
  if (!isFlag(bySpelling.get(spelling)) || value === 'true' || value === 'false') return
  throw new UsageError(
    'USAGE',
    `${spelling} is on or off, not ${JSON.stringify(value)}: write ${spelling} or ${spelling}=false (--help shows how)`,
  )
}

/** How many words come before the first that is neither an option nor the value of one, or before `--`. */
export function optionWords(args: readonly string[], options: readonly OptionFact[]): number {
  const bySpelling = spellings(options)
  let at = 0
  for (; at < args.length; at++) {
    const word = args[at] as string
    if (!word.startsWith('-') || word === '-' || word === '--') return at
    if (takingValue(word, bySpelling) !== undefined) at++
  }
  return Math.min(at, args.length)
}

function spellings(options: readonly OptionFact[]): Spellings {
  return new Map(
    options.flatMap((option) =>
      [option.name, ...option.aliases].map((name) => [spelled(name), option] as const),
    ),
  )
}

interface TakingValue {
  /** What stands before it in a bundle of letters: `-s` of `-so`. */
  flags: string[]
  spelling: string
  option: OptionFact
}

/** The option of this word whose value is the next word. */
function takingValue(word: string, bySpelling: Spellings): TakingValue | undefined {
  const [, letters, last = ''] = /^-([^-=]+)([^-=])$/.exec(word) ?? []
  const isBundle =
    letters !== undefined && [...letters].every((letter) => isFlag(bySpelling.get(`-${letter}`)))
  const spelling = isBundle ? `-${last}` : word
  const option = bySpelling.get(spelling)
  if (option === undefined || isFlag(option)) return undefined
  return { flags: isBundle ? [`-${letters}`] : [], spelling, option }
}

function isFlag(option: OptionFact | undefined): boolean {
  return option?.kind === 'flag'
}

/** A command in plain words goes on where the option's value ends: `--args nginx -g`. */
function requireOneWord(
  word: string,
  option: OptionFact,
  [value = '', ...rest]: readonly string[],
  bySpelling: Spellings,
): void {
  const isKnown = (text: string) => bySpelling.has(text.split('=', 1)[0] as string)
  const [next = ''] = rest
  if (!takesArray(option) || /^[-[]|^$/.test(value) || !/^-[^-]/.test(next) || isKnown(next)) return
  const end = rest.findIndex((text) => isKnown(text) || text === '--')
  const all = JSON.stringify([value, ...(end < 0 ? rest : rest.slice(0, end))])
  throw new UsageError('USAGE', `${word} takes a JSON array of strings as one word: write ${word} '${all}'`)
}

/** Whether one of these spellings is among the words as an option: not as another's value, nor behind `--`. */
export function isTyped(
  spellings: readonly string[],
  args: readonly string[],
  options: readonly OptionFact[],
): boolean {
  const withValue = options.filter(({ kind }) => kind !== 'flag')
  const takeNext = new Set(withValue.flatMap(({ name, aliases }) => [name, ...aliases].map(spelled)))
  for (let at = 0; at < args.length && args[at] !== '--'; at++) {
    const word = args[at] as string
    if (spellings.includes(word)) return true
    if (takeNext.has(word)) at++
  }
  return false
}

function takesArray({ describe }: OptionFact): boolean {
  return /\bJSON array\b/.test(describe)
}

function withValue(
  word: string,
  option: OptionFact,
  value: string | undefined,
  bySpelling: Spellings,
): string[] {
  if (value === undefined || value === '--')
    throw new UsageError('USAGE', `${word} needs a value (--help shows how)`)
  if (!value.startsWith('-')) return [word, value]
  if (value === '-') return [`--${option.name}=-`]
  const [name = ''] = value.split('=', 1)
  const isOption =
    bySpelling.has(name) || (name.startsWith('--') && nearest(name, [...bySpelling.keys()]) !== undefined)
  if (!isOption) return [`--${option.name}=${value}`]
  const written = takesArray(option) ? `${word} '${JSON.stringify([value])}'` : `--${option.name}=${value}`
  throw new UsageError(
    'USAGE',
    `${word} needs a value, and ${name} looks like an option: write ${written} where it is the value`,
  )
}

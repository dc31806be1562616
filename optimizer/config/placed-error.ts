/** What is wrong with a value, told with where in the file the value stands. */
import { CodedError, EXIT, PreconditionError, UsageError } from '../../shared/errors.ts'
import type { Arguments, NamedArguments } from '../commands/command.ts'
import { WorkloadOptionsError } from '../commands/workloads.ts'
import type { Place } from './document.ts'
import type { OptionsFile, PlacedOptions } from './options-file.ts'

/** A value of a file. */
export interface FoundValue {
  place: Place
  option: string
  /** The file's own options, or a workload's. */
  of: PlacedOptions
  /** Which of the option's values it is, from 0, where it has several. */
  item: number | null
  /** The workload that it is refused for; null: any. */
  workload: string | null
}

/** The same error at its place: code and exit code are those of the cause. */
export class PlacedError extends CodedError {
  readonly value: FoundValue
  /** The message without the place. */
  readonly sentence: string

  constructor(error: CodedError, path: string, value: FoundValue) {
    const { line, column } = value.place
    super(error.code, `${path}:${line}:${column}: ${error.message}`, {
      cause: error,
      exitCode: error.exitCode,
    })
    this.name = error.name
    this.value = value
    this.sentence = error.message
  }
}

/** An error of a value with its place, if the value is the file's and not the command line's; any other as it is. */
export function atItsPlace(error: unknown, file: OptionsFile, argv: Arguments): unknown {
  const index = error instanceof WorkloadOptionsError ? error.index : null
  const cause = error instanceof WorkloadOptionsError ? error.cause : error
  if (!(cause instanceof UsageError || cause instanceof PreconditionError)) return cause
  const value = findValue(cause, file, argv, index)
  return value === undefined ? cause : new PlacedError(cause, file.path, value)
}

/** Options with what the parser made of them and of the command line. */
interface Owner {
  options: PlacedOptions
  argv: Arguments
}

function findValue(
  error: CodedError,
  file: OptionsFile,
  argv: Arguments,
  index: number | null,
): FoundValue | undefined {
  const parsed = ((argv.workloads ?? []) as NamedArguments[]).map((one) => one.argv)
  const ofWorkloads = file.workloads.map((options, at) => ({ options, argv: parsed[at] ?? argv }))
  const owners: Owner[] =
    index === null
      ? [{ options: file, argv }, ...ofWorkloads]
      : [ofWorkloads[index], { options: file, argv: parsed[index] ?? argv }].filter(
          (owner) => owner !== undefined,
        )
  const workload = index === null ? null : (file.workloads[index]?.name ?? null)
  const { message } = error
  for (const option of [...optionsNamed(error), ...optionsMeant(message, owners)]) {
    const having = owners.filter((owner) => isOf(owner, option))
    const owner = having.find(({ options }) => saysOne(options, option, message)) ?? having[0]
    if (owner !== undefined) return { ...placeOf(owner.options, option, message), workload }
  }
  return undefined
}

/** The option that a message is about comes first; what is missing on the machine may name others as a way out. */
function optionsNamed({ message, exitCode }: CodedError): string[] {
  const all = [...message.matchAll(/(?:--|<)([a-z][a-z0-9-]*)/gi)]
  const about = exitCode === EXIT.usage ? all : all.filter(({ index }) => index === 0)
  return about.map(([, name = '']) => name)
}

/** Of a message that begins with the value itself: a file, as a rule. */
function optionsMeant(message: string, owners: readonly Owner[]): string[] {
  const begins = (text: string) =>
    text !== '' && message.startsWith(`${text.replace(/^[^=]*\/[^=]*=/, '')}: `)
  return owners.flatMap(({ options: { values } }) =>
    Object.keys(values).filter((option) => texts(values[option]).some(begins)),
  )
}

/** What the command line says goes before the file. */
function isOf({ options: { values }, argv }: Owner, option: string): boolean {
  return option in values && JSON.stringify(values[option]) === JSON.stringify(argv[option])
}

function placeOf(
  of: PlacedOptions,
  option: string,
  message: string,
): Pick<FoundValue, 'place' | 'option' | 'of' | 'item'> {
  const values = texts(of.values[option])
  const at = findIn(values, message)
  const item = values.length > 1 && at >= 0 ? at : null
  const whole = of.places.get(option) as Place
  return { place: of.itemPlaces.get(option)?.[Math.max(at, 0)] ?? whole, option, of, item }
}

function saysOne({ values }: PlacedOptions, option: string, message: string): boolean {
  return findIn(texts(values[option]), message) >= 0
}

/** In quotes, as values are told, rather than anywhere. */
function findIn(values: readonly string[], message: string): number {
  const quoted = values.findIndex((text) => message.includes(JSON.stringify(text)))
  return quoted >= 0 ? quoted : values.findIndex((text) => text !== '' && message.includes(text))
}

function texts(value: unknown): string[] {
  return [value ?? []].flat().map(String)
}

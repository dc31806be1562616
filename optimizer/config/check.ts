/** `optimizer config check`: what a run with this file would be told of it before anything runs, all of it at once. */
import { CodedError, EXIT, type ExitCode } from '../../shared/errors.ts'
import { commandLine } from '../command-line.ts'
import type { Arguments, Command, NamedArguments } from '../commands/command.ts'
import { optimizeCommand, optimizeRequest } from '../commands/optimize.ts'
import { recordCommand, recordRequest } from '../commands/record.ts'
import { replayCommand, replayRequest } from '../commands/replay.ts'
import { DRY_RUN } from '../commands/workload-options.ts'
import type { Place } from './document.ts'
import {
  comparePlaces,
  type OptionsFile,
  type OptionsReading,
  type OptionValue,
  tryOptions,
} from './options-file.ts'
import { atItsPlace, type FoundValue, PlacedError } from './placed-error.ts'
import { fileScheme, NO_OPTIONS, optionsText, runWithOptions } from './run-with-file.ts'

export interface FileCheck {
  file: string
  command: 'optimize' | 'record' | 'replay'
  /** Names of the options that the command takes from the file, and can read. */
  options: string[]
  workloads: string[]
  /** By their places; empty: a run begins with this file. */
  mistakes: FileMistake[]
}

export interface FileMistake {
  /** From 1, as the column; null where no line can be told. */
  line: number | null
  column: number | null
  /** The key, or null: of the file as a whole. */
  option: string | null
  /** null: of all workloads. */
  workload: string | null
  /** As a run would tell it. */
  code: string
  exitCode: ExitCode
  message: string
}

/** @param asked nothing: the one that the file is for. @throws {PreconditionError} FILE_UNREADABLE */
export async function checkFile(path: string, asked: FileCheck['command'] | undefined): Promise<FileCheck> {
  const text = optionsText(path, '<subject>')
  const command =
    asked ?? (saysTarget(tryOptions(text, path, fileScheme(optimizeCommand))) ? 'optimize' : 'record')
  const reading = tryOptions(text, path, fileScheme(commandCalled(command)))
  const { file } = reading
  const options = new Set([file, ...file.workloads].flatMap(({ values }) => Object.keys(values)))
  const workloads = file.workloads.map(({ name }) => name)
  const read = reading.mistakes.map(({ error, ...of }) => mistake(error.sentence, error, error.place, of))
  if (read.length === 0 && options.size === 0) {
    const nothing = new CodedError('CONFIG_INVALID', 'it says nothing', { exitCode: EXIT.usage })
    read.push(mistake(nothing.message, nothing, { line: 1, column: 1 }, { option: null, workload: null }))
  }
  const unread = reading.mistakes.flatMap(({ option }) => option ?? [])
  const refused = await refusedValues(command, file, new Set(unread))
  const mistakes = [...read, ...refused].sort((one, other) => comparePlaces(placeOf(one), placeOf(other)))
  return { file: path, command, options: [...options], workloads, mistakes }
}

const CHECKED: Record<FileCheck['command'], { command: Command; requestOf(argv: Arguments): unknown }> = {
  optimize: { command: optimizeCommand, requestOf: optimizeRequest },
  record: { command: recordCommand, requestOf: recordRequest },
  replay: { command: replayCommand, requestOf: replayRequest },
}

function commandCalled(name: FileCheck['command']): Command {
  return CHECKED[name].command
}

function saysTarget({ file, mistakes }: OptionsReading): boolean {
  return 'target' in file.values || mistakes.some(({ option }) => option === 'target')
}

/**
 * What the options' own parsers refuse, one after the other: each value is left out once it is refused.
 * @param leftOut options that had a value which could not be read; what is wrong for want of them is not told
 */
async function refusedValues(
  name: FileCheck['command'],
  file: OptionsFile,
  leftOut: Set<string>,
): Promise<FileMistake[]> {
  const taken = await ParsedFile.of(name, file)
  const mistakes: FileMistake[] = []
  for (;;) {
    const error = taken.firstRefusal()
    if (error === null) return mistakes
    if (!(error instanceof PlacedError)) return [...mistakes, mistake(error.message, error, null, NOWHERE)]
    const { value, sentence } = error
    const isGone = (option: string) => !(option in file.values || option in value.of.values)
    const isConsequence = [...leftOut].some((option) => isGone(option) && namesOption(sentence, option))
    if (!isConsequence) mistakes.push(mistake(sentence, error, value.place, value))
    taken.leaveOut(value)
    leftOut.add(value.option)
  }
}

const NOWHERE = { option: null, workload: null }

function mistake(
  message: string,
  { code, exitCode }: CodedError,
  place: Place | null,
  { option, workload }: Pick<FileMistake, 'option' | 'workload'>,
): FileMistake {
  return {
    line: place?.line ?? null,
    column: place?.column ?? null,
    option,
    workload,
    code,
    exitCode,
    message,
  }
}

function placeOf({ line, column }: FileMistake): Place {
  return { line: line ?? Number.MAX_SAFE_INTEGER, column: column ?? 0 }
}

/** What a command is handed where nobody gives an option: the parser takes longer than all that is asked of it here. */
async function withoutOptions(name: FileCheck['command']): Promise<Arguments> {
  const command = commandCalled(name)
  let taken: Arguments = {}
  const take = async (_command: unknown, argv: Arguments) => {
    taken = argv
  }
  await runWithOptions([name], NO_OPTIONS, take, (words, run, given) =>
    commandLine(words, run, command, given),
  )
  return taken
}

/** A file as a command is handed it, one by one without the values that are refused. */
class ParsedFile {
  static readonly #defaultsOf = new Map<FileCheck['command'], Arguments>()
  readonly #name: FileCheck['command']
  readonly #file: OptionsFile
  readonly #argv: Arguments
  /** What options are that nobody gives. */
  readonly #defaults: Arguments

  private constructor(name: FileCheck['command'], file: OptionsFile, argv: Arguments, defaults: Arguments) {
    this.#name = name
    this.#file = file
    this.#argv = argv
    this.#defaults = defaults
  }

  static async of(name: FileCheck['command'], file: OptionsFile): Promise<ParsedFile> {
    const defaults = ParsedFile.#defaultsOf.get(name) ?? (await withoutOptions(name))
    ParsedFile.#defaultsOf.set(name, defaults)
    const ofAll = { ...defaults, ...file.values }
    const workloads = file.workloads.map((one) => ({ name: one.name, argv: { ...ofAll, ...one.values } }))
    const argv = workloads.length === 0 ? ofAll : { ...ofAll, workloads }
    return new ParsedFile(name, file, argv, defaults)
  }

  /** What a run would be told, whoever runs it. */
  firstRefusal(): CodedError | null {
    const argv = this.#argv
    const runs = argv['no-optimize'] !== true && argv['prefetch-list'] === undefined
    const isAboutRegistry = argv['attach-record'] === true || argv['record-from-registry'] === true
    const source = isAboutRegistry ? 'docker://image' : 'image'
    // A file may leave the images to the command line, and is not about who runs it, nor where.
    const complete = { source, target: 'image', ...argv, ...(runs ? { [DRY_RUN]: true } : {}) }
    try {
      CHECKED[this.#name].requestOf(complete)
      return null
    } catch (error) {
      const placed = atItsPlace(error, this.#file, argv)
      if (placed instanceof CodedError) return placed
      throw placed
    }
  }

  leaveOut({ of, option, item }: FoundValue): void {
    const values = of.values[option]
    if (item === null || !Array.isArray(values)) delete of.values[option]
    else {
      values.splice(item, 1)
      of.itemPlaces.get(option)?.splice(item, 1)
    }
    const { values: ofAll, workloads } = this.#file
    this.#set(this.#argv, option, ofAll[option])
    for (const [index, { argv }] of ((this.#argv.workloads ?? []) as NamedArguments[]).entries())
      this.#set(argv, option, workloads[index]?.values[option] ?? ofAll[option])
  }

  #set(argv: Arguments, option: string, value: OptionValue | undefined): void {
    const known = value ?? this.#defaults[option]
    if (known === undefined) delete argv[option]
    else argv[option] = known
  }
}

/** @param option whatever the file has for a key */
function namesOption(sentence: string, option: string): boolean {
  const behind = [`--${option}`, `<${option}`].flatMap((name) => sentence.split(name).slice(1))
  return behind.some((text) => !/^[\w-]/.test(text))
}

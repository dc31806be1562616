/** A command with the options of a file beside those of the command line. */
import { readFileSync } from 'node:fs'
import { messageOf, PreconditionError, UsageError } from '../../shared/errors.ts'
import type { Arguments, Command, NamedArguments } from '../commands/command.ts'
import { commandFact } from '../commands/command-facts.ts'
import { optimizeCommand } from '../commands/optimize.ts'
import { recordCommand } from '../commands/record.ts'
import { replayCommand } from '../commands/replay.ts'
import { workloadOptionNames } from '../commands/workloads.ts'
import { type FileScheme, type OptionsFile, readOptions } from './options-file.ts'
import { atItsPlace } from './placed-error.ts'

export type ParseWith = (
  args: string[],
  run: (command: Command, argv: Arguments) => Promise<void>,
  file: OptionsFile,
) => { parseAsync(): PromiseLike<unknown> }

/** Commands that take a file. */
export const FILE_COMMANDS: readonly Command[] = [optimizeCommand, recordCommand, replayCommand]

export function fileScheme(command: Command): FileScheme {
  return {
    command: commandFact(command),
    others: FILE_COMMANDS.filter((other) => other !== command).map(commandFact),
    ofWorkload: workloadOptionNames(),
    ...(command === replayCommand ? OF_REPLAY : OF_OTHERS),
  }
}

const OF_OTHERS = { renamed: {}, notFromFile: [] }
/** It runs what an optimization has made, and leaves alone the record that this was made by. */
const OF_REPLAY = { renamed: { target: 'source' }, notFromFile: ['record-out'] }

/** @throws {UsageError} @throws {PreconditionError} FILE_UNREADABLE */
export function readOptionsFile(path: string, command: Command): OptionsFile {
  return readOptions(optionsText(path), path, fileScheme(command))
}

/** @param argument what names the file. @throws {PreconditionError} FILE_UNREADABLE */
export function optionsText(path: string, argument = '--config'): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `${argument}: cannot read ${path}: ${messageOf(cause)}`
    throw new PreconditionError('FILE_UNREADABLE', message, { cause })
  }
}

/** @throws {UsageError} and whatever `run` throws */
export async function runWithFile(
  args: string[],
  command: Command,
  run: (command: Command, argv: Arguments) => Promise<void>,
  parseWith: ParseWith,
): Promise<void> {
  const file = FILE_COMMANDS.includes(command) ? readOptionsFile(configArgument(args), command) : NO_OPTIONS
  await runWithOptions(args, file, run, parseWith)
}

/** @throws {PlacedError} for a value of the file that `run` refuses; {UsageError} and whatever `run` throws */
export async function runWithOptions(
  args: string[],
  file: OptionsFile,
  run: (command: Command, argv: Arguments) => Promise<void>,
  parseWith: ParseWith,
): Promise<void> {
  const workloads: NamedArguments[] = []
  for (const workload of file.workloads) {
    const merged = { ...file, values: { ...file.values, ...workload.values } }
    const collect = async (_command: Command, argv: Arguments) => {
      workloads.push({ name: workload.name, argv })
    }
    await parseWith(args, collect, merged).parseAsync()
  }
  const runPlaced = async (chosen: Command, argv: Arguments) => {
    const all = workloads.length === 0 ? argv : { ...argv, workloads }
    try {
      await run(chosen, all)
    } catch (error) {
      throw atItsPlace(error, file, all)
    }
  }
  await parseWith(args, runPlaced, file).parseAsync()
}

/** Also for a command that takes no file: the parser says so. */
export const NO_OPTIONS: OptionsFile = {
  path: '',
  values: {},
  places: new Map(),
  itemPlaces: new Map(),
  workloads: [],
}

/** @throws {UsageError} */
function configArgument(args: readonly string[]): string {
  const ours = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined)
  const paths = ours.flatMap((arg, index) => {
    if (arg.startsWith('--config=')) return [arg.slice('--config='.length)]
    return arg === '--config' ? [ours[index + 1] ?? ''] : []
  })
  if (paths.length > 1) throw new UsageError('OPTION_REPEATED', '--config may be given only once')
  const [path = ''] = paths
  if (path === '') throw new UsageError('OPTION_INVALID', '--config: name a file')
  return path
}

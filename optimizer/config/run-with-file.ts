/** A command with the options of a file beside those of the command line. */
import { readFileSync } from 'node:fs'
import { CodedError, messageOf, PreconditionError, UsageError } from '../../shared/errors.ts'
import type { Arguments, Command, NamedArguments } from '../commands/command.ts'
import { commandFact } from '../commands/command-facts.ts'
import { optimizeCommand } from '../commands/optimize.ts'
import { recordCommand } from '../commands/record.ts'
import { workloadOptionNames } from '../commands/workloads.ts'
import { ConfigError } from './document.ts'
import { type FileScheme, type OptionsFile, type PlacedOptions, readOptions } from './options-file.ts'

export type ParseWith = (
  args: string[],
  run: (command: Command, argv: Arguments) => Promise<void>,
  file: OptionsFile,
) => { parseAsync(): PromiseLike<unknown> }

/** Commands that take a file. */
export const FILE_COMMANDS: readonly Command[] = [optimizeCommand, recordCommand]

export function fileScheme(command: Command): FileScheme {
  return {
    command: commandFact(command),
    others: FILE_COMMANDS.filter((other) => other !== command).map(commandFact),
    ofWorkload: workloadOptionNames(),
  }
}

/** @throws {UsageError} @throws {PreconditionError} FILE_UNREADABLE */
export function readOptionsFile(path: string, command: Command): OptionsFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new PreconditionError('FILE_UNREADABLE', `--config: cannot read ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
  return readOptions(text, path, fileScheme(command))
}

/** @throws {UsageError} and whatever `run` throws */
export async function runWithFile(
  args: string[],
  command: Command,
  run: (command: Command, argv: Arguments) => Promise<void>,
  parseWith: ParseWith,
): Promise<void> {
  const file = FILE_COMMANDS.includes(command) ? readOptionsFile(configArgument(args), command) : NO_FILE
  const workloads: NamedArguments[] = []
  for (const workload of file.workloads) {
    const merged = { ...file, values: { ...file.values, ...workload.values } }
    const collect = async (_command: Command, argv: Arguments) => {
      workloads.push({ name: workload.name, argv })
    }
    await parseWith(args, collect, merged).parseAsync()
  }
  const runPlaced = async (chosen: Command, argv: Arguments) => {
    try {
      await run(chosen, workloads.length === 0 ? argv : { ...argv, workloads })
    } catch (error) {
      throw placed(error, file, argv)
    }
  }
  await parseWith(args, runPlaced, file).parseAsync()
}

/** For a command that takes none: the parser says so. */
const NO_FILE: OptionsFile = { path: '', values: {}, places: new Map(), workloads: [] }

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

/** An error of a value, with where in the file the value stands, if it is the file's. */
function placed(error: unknown, file: OptionsFile, argv: Arguments): unknown {
  const isOfOptions = error instanceof UsageError || error instanceof PreconditionError
  if (!isOfOptions || error instanceof ConfigError) return error
  const option = /^(?:--|<)([a-z][a-z0-9-]*)/i.exec(error.message)?.[1]
  const found = option === undefined ? undefined : placeOf(option, error.message, file, argv)
  if (found === undefined) return error
  const { line, column } = found
  return new CodedErrorAt(error, `${file.path}:${line}:${column}: ${error.message}`)
}

function placeOf(option: string, message: string, file: OptionsFile, argv: Arguments) {
  const isOfFile = ({ values }: PlacedOptions) =>
    option in values && JSON.stringify(values[option]) === JSON.stringify(argv[option])
  if (isOfFile(file)) return file.places.get(option)
  const having = file.workloads.filter(({ values }) => option in values)
  const naming = (write: (text: string) => string) =>
    having.find(({ values }) =>
      [values[option]].flat(2).some((value) => message.includes(write(String(value)))),
    )
  const meant = naming((text) => `"${text}"`) ?? naming((text) => text) ?? having[0]
  return meant?.places.get(option)
}

/** The same error at its place. */
class CodedErrorAt extends CodedError {
  constructor(error: CodedError, message: string) {
    super(error.code, message, { cause: error, exitCode: error.exitCode })
    this.name = error.name
  }
}

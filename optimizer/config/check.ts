/** `optimizer config check`: what a run with this file would be told before anything runs. */
import { UsageError } from '../../shared/errors.ts'
import { commandLine } from '../command-line.ts'
import type { Arguments } from '../commands/command.ts'
import { optimizeCommand, optimizeRequest } from '../commands/optimize.ts'
import { recordCommand, recordRequest } from '../commands/record.ts'
import { readOptionsFile, runWithFile } from './run-with-file.ts'

export interface FileCheck {
  file: string
  command: 'optimize' | 'record'
  /** Names of the options that the command takes from the file. */
  options: string[]
  workloads: string[]
}

/** @param asked nothing: the one that the file is for. @throws {UsageError} as the command would */
export async function checkFile(path: string, asked: FileCheck['command'] | undefined): Promise<FileCheck> {
  const name = asked ?? ('target' in readOptionsFile(path, optimizeCommand).values ? 'optimize' : 'record')
  const isOptimize = name === 'optimize'
  const command = isOptimize ? optimizeCommand : recordCommand
  const request = async (_command: unknown, argv: Arguments) => {
    // What a file may leave to the command line.
    const complete = { source: 'image', target: 'image', ...argv }
    if (isOptimize) optimizeRequest(complete)
    else recordRequest(complete)
  }
  await runWithFile([name, `--config=${path}`], command, request, (words, run, file) =>
    commandLine(words, run, command, file),
  )
  const file = readOptionsFile(path, command)
  const known = new Set(Object.keys(file.values))
  for (const { values } of file.workloads) for (const key of Object.keys(values)) known.add(key)
  if (known.size === 0) throw new UsageError('CONFIG_INVALID', `${path}: it says nothing`)
  return { file: path, command: name, options: [...known], workloads: file.workloads.map((one) => one.name) }
}

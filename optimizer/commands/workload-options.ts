/** How the workload runs, when the run ends and what is recorded, as options of every command that runs one. */
import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { WorkloadOptions } from '../workload/options.ts'
import { addCniOptions, cniOptions } from './cni-options.ts'
import type { Arguments } from './command.ts'
import { repeated, SNAPSHOTTER_DEFAULT, single } from './common-options.ts'
import { addContainerOptions, containerOptions } from './container-options.ts'
import { addDriveOptions, driveOptions } from './drive-options.ts'
import { parseEnvFile } from './env-file.ts'
import { addRecordingOptions, watchOptions } from './recording-options.ts'
import { addRunnerOptions } from './runner-options.ts'
import { addStopOptions, stopOptions } from './stop-options.ts'
import { addTerminalOptions, terminalOptions } from './terminal-options.ts'
import { environmentChange, inputFile, invalidOption, stringArray } from './values.ts'

export const DRY_RUN = 'dry-run'

export function addWorkloadOptions(yargs: Argv): Argv {
  const group = 'Workload:'
  const options = yargs
    .option('entrypoint', {
      group,
      type: 'string',
      describe: "JSON array in place of the image's Entrypoint; the image's Cmd is dropped ([] clears)",
    })
    .option('args', { group, type: 'string', describe: "JSON array in place of the image's Cmd" })
    .option('env', {
      alias: 'e',
      group,
      type: 'string',
      array: true,
      describe: 'NAME=value sets a variable, NAME alone removes it (repeatable)',
    })
    .option('env-file', {
      group,
      type: 'string',
      array: true,
      describe: 'a file of variables, a line each, as docker reads it; --env has the last word (repeatable)',
    })
    .option('cwd', { group, type: 'string', describe: 'working directory in the container' })
    .option('user', { group, type: 'string', describe: 'user[:group], names or ids of the image' })
    .option('net-host', { group, type: 'boolean', default: false, describe: "use the host's network" })
    .option('snapshotter', {
      group,
      type: 'string',
      default: SNAPSHOTTER_DEFAULT,
      describe: "containerd's snapshotter for the container's root",
    })
  const surrounded = addContainerOptions(addCniOptions(addTerminalOptions(addRunnerOptions(options))))
  return addRecordingOptions(addStopOptions(addDriveOptions(surrounded))).option(DRY_RUN, {
    group: 'Output:',
    type: 'boolean',
    default: false,
    describe: 'print what would run, as JSON: process, stop rules, mark, runtime spec; nothing runs',
  })
}

/** An absolute path: the program is started in another view of the file system. @throws {UsageError} */
function notifierProgram(path: string): string {
  try {
    accessSync(path, constants.X_OK)
    return resolve(path)
  } catch (cause) {
    throw new UsageError('NOTIFIER_UNUSABLE', `--notifier names no program that can be run: ${path}`, {
      cause,
    })
  }
}

/** @throws {UsageError} */
export function workloadOptions(argv: Arguments): WorkloadOptions {
  const entrypoint = single(argv, 'entrypoint')
  const args = single(argv, 'args')
  const cwd = single(argv, 'cwd')
  if (cwd !== undefined && !cwd.startsWith('/'))
    throw invalidOption('cwd', cwd, 'write an absolute path of the container')
  const user = single(argv, 'user')
  const notifier = single(argv, 'notifier')
  return {
    ...(entrypoint === undefined ? {} : { entrypoint: stringArray('entrypoint', entrypoint) }),
    ...(args === undefined ? {} : { args: stringArray('args', args) }),
    env: [
      ...repeated(argv, 'env-file').flatMap((file) =>
        parseEnvFile(inputFile('env-file', file), file, process.env),
      ),
      ...repeated(argv, 'env').map((text) => environmentChange('env', text)),
    ],
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    netHost: argv['net-host'] === true,
    container: containerOptions(argv),
    ...cniOptions(argv),
    ...stopOptions(argv),
    ...driveOptions(argv),
    ...terminalOptions(argv),
    ...watchOptions(argv),
    snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
    ...(notifier === undefined ? {} : { notifier: notifierProgram(notifier) }),
  }
}

/** What runs the workload, as an option of every command that runs one. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Argv } from 'yargs'
import type { ImageLocation } from '../image/location.ts'
import type { RunnerChoice } from '../runner.ts'
import { defaultRuntime, requireOwnRuntime } from '../workload/host-programs.ts'
import type { WorkloadOptions } from '../workload/options.ts'
import { requireRecordingPrivilege, requireWritableCgroups } from '../workload/privilege.ts'
import type { Arguments } from './command.ts'
import { single } from './common-options.ts'
import { contradiction, oneOf } from './values.ts'

const GROUP = 'Workload:'
export const CACHE_DIR = 'cache-dir'

export function addRunnerOptions(yargs: Argv): Argv {
  return addCacheOption(yargs, GROUP).option('runner', {
    group: GROUP,
    type: 'string',
    choices: ['auto', 'containerd', 'runc'],
    default: 'auto',
    describe:
      'what runs the image: containerd, or runc (crun with --runtime) without a daemon; auto: containerd what is in it',
  })
}

export function addCacheOption(yargs: Argv, group: string): Argv {
  return yargs.option(CACHE_DIR, {
    group,
    type: 'string',
    describe: 'where layers are kept unpacked for runs without containerd',
    defaultDescription: '$XDG_CACHE_HOME/hotlayer, else ~/.cache/hotlayer',
  })
}

export function cacheFolder(argv: Arguments): string {
  const given = single(argv, CACHE_DIR)
  if (given !== undefined) return resolve(given)
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer')
}

/**
 * @param workloads all that may run
 * @throws {UsageError} @throws {PreconditionError} RUNTIME_MISSING, RUNTIME_UNSUITABLE, PRIVILEGE_MISSING,
 *   CGROUPS_UNUSABLE
 */
export function runnerOption(
  argv: Arguments,
  source: ImageLocation,
  workloads: readonly WorkloadOptions[],
): RunnerChoice {
  const asked = oneOf('runner', single(argv, 'runner') ?? 'auto', ['auto', 'containerd', 'runc'])
  const kind = asked === 'auto' ? (source.kind === 'containerd' ? 'containerd' : 'runc') : asked
  if (kind === 'containerd') {
    if (source.kind === 'containerd') return { kind }
    throw contradiction(
      '--runner containerd runs what is in containerd, and <source> is not: import it first, or leave the option out',
    )
  }
  const runtimes = workloads.map(({ container }) => container?.runtime)
  for (const runtime of runtimes) requireOwnRuntime(runtime)
  if (argv['dry-run'] === true) return { kind, program: 'runc', cacheFolder: cacheFolder(argv) }
  // Who cannot run it anyway is not told what to install for it.
  requireRecordingPrivilege()
  requireWritableCgroups()
  return { kind, program: defaultRuntime(runtimes), cacheFolder: cacheFolder(argv) }
}

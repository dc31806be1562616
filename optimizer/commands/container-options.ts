/** What surrounds the workload's process, as options of every command that runs one. @see docs/workload.md */
import type { Argv } from 'yargs'
import { initProgram, runtimeChoice } from '../workload/host-programs.ts'
import { RUN_LABEL_PREFIX } from '../workload/run.ts'
import type { ContainerOptions } from '../workload/spec/container-options.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { addDeviceOptions, deviceOptions } from './device-options.ts'
import { addLimitOptions, limitOptions } from './limit-options.ts'
import { addMountOptions, mountOptions } from './mount-options.ts'
import { addNetworkOptions, networkOptions } from './network-options.ts'
import { addSecurityOptions, securityOptions } from './security-options.ts'
import { contradiction, invalidOption } from './values.ts'

const GROUP = 'Workload:'
/** Of a label's key and value together, in containerd. */
const LABEL_BYTES_MAX = 4096

export function addContainerOptions(yargs: Argv): Argv {
  const options = yargs
    .option('keep-cmd', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: "--entrypoint keeps the image's Cmd behind it",
    })
    .option('read-only', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: "the container's root cannot be written to",
    })
    .option('init', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: "this machine's docker-init, tini or catatonit as its first process",
    })
    .option('label', {
      alias: 'l',
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'KEY=VALUE, of the container in containerd (repeatable)',
    })
    .option('runtime', {
      group: GROUP,
      type: 'string',
      describe: 'runc, crun, a path to such a program, or a shim: io.containerd.NAME.v2',
      defaultDescription: 'runc',
    })
  return addDeviceOptions(addSecurityOptions(addLimitOptions(addNetworkOptions(addMountOptions(options)))))
}

/** @throws {UsageError} @throws {PreconditionError} where this machine lacks what an option names */
export function containerOptions(argv: Arguments): ContainerOptions {
  const keepCmd = keepCmdOption(argv)
  const labels = Object.fromEntries(repeated(argv, 'label').map(label))
  const runtime = single(argv, 'runtime')
  const mounts = mountOptions(argv)
  return {
    ...(keepCmd ? { keepCmd } : {}),
    ...(argv['read-only'] === true ? { readOnly: true } : {}),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(argv.init === true ? { init: initProgram() } : {}),
    ...(runtime === undefined ? {} : { runtime: runtimeChoice(runtime) }),
    ...mounts,
    ...networkOptions(argv, mounts.mounts),
    ...limitOptions(argv),
    ...securityOptions(argv),
    ...deviceOptions(argv),
  }
}

function keepCmdOption(argv: Arguments): boolean {
  if (argv['keep-cmd'] !== true) return false
  if (argv.entrypoint === undefined)
    throw contradiction(
      "--keep-cmd is about the Cmd that --entrypoint drops: without it the image's Cmd stays anyway",
    )
  if (argv.args !== undefined)
    throw contradiction("--keep-cmd keeps the image's Cmd, --args replaces it: leave one of them out")
  return true
}

function label(text: string): [key: string, value: string] {
  const at = text.indexOf('=')
  const key = at === -1 ? text : text.slice(0, at)
  const value = at === -1 ? '' : text.slice(at + 1)
  if (key === '') throw invalidOption('label', text, 'write KEY=VALUE')
  if (key.startsWith(RUN_LABEL_PREFIX))
    throw invalidOption('label', text, `${RUN_LABEL_PREFIX}… are our own labels`)
  if (Buffer.byteLength(key) + Buffer.byteLength(value) > LABEL_BYTES_MAX)
    throw invalidOption(
      'label',
      `${text.slice(0, 20)}…`,
      `key and value have at most ${LABEL_BYTES_MAX} bytes`,
    )
  return [key, value]
}

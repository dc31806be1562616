/** Options that several commands share. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../console.ts'
import { hostPlatform, type Platform, parsePlatform } from '../image/platform.ts'
import type { RegistrySettings } from '../registry/settings.ts'
import type { Arguments } from './command.ts'
import { single } from './option-values.ts'
import { addRegistryOptions, registrySettings } from './registry-options.ts'
import { invalidOption } from './values.ts'

export { repeated, single } from './option-values.ts'

const ADDRESS_DEFAULT = '/run/containerd/containerd.sock'
const NAMESPACE_DEFAULT = 'default'
/** The forms of an image argument. @see ../image/location.ts */
export const LOCATION_FORMS =
  'a name in containerd, docker://REFERENCE, oci:DIR[:TAG], oci-archive:FILE[:TAG] or, to read, docker-archive:FILE[:TAG]'
/** Of an image that is written. */
export const TARGET_FORMS =
  'a name in containerd, docker://REFERENCE, oci:DIR[:TAG] or oci-archive:FILE[:TAG]'
export const SNAPSHOTTER_DEFAULT = 'overlayfs'
const TOC_REFERENCE = 'estargz-external-toc-ref'

export interface ContainerdOptions {
  /** Path of containerd's socket. */
  address: string
  namespace: string
  /** Read and write blobs in its files where these are on this machine. */
  directContent: boolean
  /** How registries are reached. */
  registry: RegistrySettings
}

export function addSocketOptions(yargs: Argv): Argv {
  return yargs
    .option('address', {
      alias: 'a',
      group: 'containerd:',
      type: 'string',
      describe: "containerd's socket, else $CONTAINERD_ADDRESS",
      defaultDescription: ADDRESS_DEFAULT,
    })
    .option('namespace', {
      alias: 'n',
      group: 'containerd:',
      type: 'string',
      describe: "containerd's namespace, else $CONTAINERD_NAMESPACE",
      defaultDescription: NAMESPACE_DEFAULT,
    })
}

/** Of commands that read or write blobs. */
export function addContainerdOptions(yargs: Argv): Argv {
  return addRegistryOptions(addSocketOptions(yargs)).option('no-direct-content', {
    group: 'containerd:',
    type: 'boolean',
    default: false,
    describe:
      'read and write blobs through the daemon, also where its content store is on this machine (docs/stores.md)',
  })
}

export function addOutputOptions(yargs: Argv): Argv {
  return yargs
    .option('json', {
      group: 'Output:',
      type: 'boolean',
      default: false,
      describe: 'print the result as one JSON document',
    })
    .option('log-level', {
      group: 'Output:',
      type: 'string',
      choices: LOG_LEVELS,
      default: 'info',
      describe: 'what stderr tells',
    })
    .option('log-format', {
      group: 'Output:',
      type: 'string',
      choices: LOG_FORMATS,
      default: 'text',
      describe:
        'how stderr tells it: lines for people, or a JSON object a line (time, level, message, stage, code)',
    })
}

export function addPlatformOption(yargs: Argv): Argv {
  return yargs.option('platform', {
    type: 'string',
    describe: 'which platform of the image, os/architecture[/variant]',
    defaultDescription: "this machine's",
  })
}

/** For reading; what writes such an image has an option of the same name. */
export function addTocReferenceOption(yargs: Argv): Argv {
  return yargs.option(TOC_REFERENCE, {
    type: 'string',
    describe: 'the image with the tables of contents of layers that have them not inside, in the same store',
    defaultDescription: 'the name with -esgztoc',
  })
}

export function tocReferenceOption(argv: Arguments): string | null {
  return single(argv, TOC_REFERENCE) ?? null
}

export function containerdOptions(argv: Arguments): ContainerdOptions {
  const address = single(argv, 'address') ?? process.env.CONTAINERD_ADDRESS ?? ADDRESS_DEFAULT
  const namespace = single(argv, 'namespace') ?? process.env.CONTAINERD_NAMESPACE ?? NAMESPACE_DEFAULT
  if (!/^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/.test(namespace)) {
    throw invalidOption('namespace', namespace, 'write letters and digits, joined by single ".", "_" or "-"')
  }
  return {
    address: address.replace(/^unix:(?:\/\/)?/, ''),
    namespace,
    directContent: argv['no-direct-content'] !== true,
    registry: registrySettings(argv),
  }
}

export function platformOption(argv: Arguments): Platform {
  const text = single(argv, 'platform')
  return text === undefined ? hostPlatform() : parsePlatform(text)
}

/** A positional argument. */
export function positional(argv: Arguments, name: string): string {
  const value = argv[name]
  if (typeof value === 'string' && value !== '') return value
  const what = value === undefined ? 'is missing' : 'must not be empty'
  throw new UsageError('ARGUMENT_INVALID', `<${name}> ${what}`)
}

/** What else is mounted into the container, as options of every command that runs one. */
import { existsSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import type { Argv } from 'yargs'
import { PreconditionError } from '../../shared/errors.ts'
import type { ContainerOptions } from '../workload/spec/container-options.ts'
import type { SpecMount } from '../workload/spec/default-spec.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { contradiction, firstTwice, invalidOption, memoryBytes } from './values.ts'

const GROUP = 'Workload:'
const SHM_PATH = '/dev/shm'
const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']
/** Of every mount. @see mount(8) */
const FLAGS = [
  ...['ro', 'rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev', 'sync', 'async', 'dirsync'],
  ...['atime', 'noatime', 'diratime', 'nodiratime', 'relatime', 'norelatime', 'strictatime', 'nostrictatime'],
]
/** @see tmpfs(5) */
const TMPFS_SETTINGS = ['size', 'nr_blocks', 'nr_inodes', 'mode', 'uid', 'gid', 'mpol', 'huge']
/** docker's; what is given comes behind and wins. */
const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev']

export function addMountOptions(yargs: Argv): Argv {
  return yargs
    .option('mount', {
      group: GROUP,
      type: 'string',
      array: true,
      describe:
        'type=bind|tmpfs,src=PATH,dst=PATH[,ro][,options=a:b]: shows a host path, or memory, in the container (repeatable)',
    })
    .option('volume', {
      alias: 'v',
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'SRC:DST[:ro], a bind mount in short (repeatable)',
    })
    .option('tmpfs', {
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'DST[:options], memory in place of a folder: /run:size=64m,mode=755 (repeatable)',
    })
    .option('shm-size', {
      group: GROUP,
      type: 'string',
      describe: 'size of /dev/shm',
      defaultDescription: '64m',
    })
}

/** @throws {UsageError} @throws {PreconditionError} MOUNT_SOURCE_MISSING */
export function mountOptions(argv: Arguments): Pick<ContainerOptions, 'mounts' | 'shmBytes'> {
  const mounts = [
    ...repeated(argv, 'mount').map(mountOption),
    ...repeated(argv, 'volume').map(volumeOption),
    ...repeated(argv, 'tmpfs').map(tmpfsOption),
  ]
  const twice = firstTwice(mounts.map(({ destination }) => destination))
  if (twice !== undefined)
    throw contradiction(`two mounts at ${twice}: one would hide the other, leave one of them out`)
  const shmSize = single(argv, 'shm-size')
  if (shmSize !== undefined && mounts.some(({ destination }) => destination === SHM_PATH))
    throw contradiction(`--shm-size and a mount at ${SHM_PATH} both say what is there: leave one of them out`)
  return {
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(shmSize === undefined ? {} : { shmBytes: memoryBytes('shm-size', shmSize, 1) }),
  }
}

/** Keys of `--mount` and what each may be called. */
const KEYS: Readonly<Record<string, string>> = {
  type: 'type',
  source: 'source',
  src: 'source',
  destination: 'destination',
  dst: 'destination',
  target: 'destination',
  readonly: 'readonly',
  ro: 'readonly',
  options: 'options',
  'bind-propagation': 'propagation',
  'tmpfs-size': 'size',
  'tmpfs-mode': 'mode',
}

function mountOption(text: string): SpecMount {
  const refuse = (wanted: string) => invalidOption('mount', text, wanted)
  const fields = new Map<string, string>()
  for (const field of csvFields(text, refuse)) {
    const at = field.indexOf('=')
    const typed = (at === -1 ? field : field.slice(0, at)).trim().toLowerCase()
    const key = KEYS[typed]
    if (key === undefined)
      throw refuse(`there is no key ${JSON.stringify(typed)}: write one of ${Object.keys(KEYS).join(', ')}`)
    if (at === -1 && key !== 'readonly') throw refuse(`${typed} needs a value: ${typed}=…`)
    if (fields.has(key)) throw refuse(`${typed} is given twice`)
    fields.set(key, at === -1 ? 'true' : field.slice(at + 1))
  }
  const type = fields.get('type') ?? (fields.has('source') ? 'bind' : '')
  const destination = containerPath(fields.get('destination'), refuse)
  const options = [...(fields.get('options')?.split(':') ?? []), ...readOnly(fields.get('readonly'), refuse)]
  if (type === 'bind') return bind({ fields, destination, options, refuse })
  if (type === 'tmpfs') return tmpfs({ fields, destination, options, refuse })
  throw refuse(
    type === 'volume'
      ? 'there are no named volumes here: write type=bind with the folder, or type=tmpfs'
      : 'write type=bind,src=PATH,dst=PATH or type=tmpfs,dst=PATH',
  )
}

interface MountParts {
  fields: ReadonlyMap<string, string>
  destination: string
  options: string[]
  refuse: (wanted: string) => Error
}

function bind({ fields, destination, options, refuse }: MountParts): SpecMount {
  const propagation = fields.get('propagation')
  if (fields.has('size') || fields.has('mode')) throw refuse('tmpfs-size and tmpfs-mode are of type=tmpfs')
  if (propagation !== undefined && !PROPAGATIONS.includes(propagation))
    throw refuse(`bind-propagation is one of ${PROPAGATIONS.join(', ')}`)
  const known = ['bind', 'rbind', ...PROPAGATIONS, ...FLAGS]
  const odd = options.find((option) => !known.includes(option))
  if (odd !== undefined) throw refuse(`a bind mount has no option ${JSON.stringify(odd)}`)
  const source = hostPath('mount', fields.get('source') ?? '', refuse)
  return bindMount(source, destination, [...options, ...(propagation === undefined ? [] : [propagation])])
}

function tmpfs({ fields, destination, options, refuse }: MountParts): SpecMount {
  if (fields.has('source') || fields.has('propagation'))
    throw refuse('type=tmpfs has neither a source nor a propagation')
  const size = fields.get('size')
  const mode = fields.get('mode')
  const settings = [
    ...options,
    ...(size === undefined ? [] : [`size=${memoryBytes('mount', size, 1)}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
  ]
  return tmpfsMount(destination, settings, refuse)
}

function volumeOption(text: string): SpecMount {
  const refuse = (wanted: string) => invalidOption('volume', text, wanted)
  const [source = '', destination, flags = '', ...rest] = text.split(':')
  if (destination === undefined || rest.length > 0)
    throw refuse('write SRC:DST or SRC:DST:ro; a path with a colon goes with --mount')
  if (!source.includes('/') && source !== '.' && source !== '..')
    throw refuse(`there are no named volumes here: write ./${source} for a folder`)
  const options = flags === '' ? [] : flags.split(',')
  const odd = options.find((option) => !['ro', 'rw', ...PROPAGATIONS].includes(option))
  if (odd !== undefined)
    throw refuse(`there is no ${JSON.stringify(odd)} here: write ro, rw or one of ${PROPAGATIONS.join(', ')}`)
  return bindMount(hostPath('volume', source, refuse), containerPath(destination, refuse), options)
}

function tmpfsOption(text: string): SpecMount {
  const refuse = (wanted: string) => invalidOption('tmpfs', text, wanted)
  const at = text.indexOf(':')
  const settings = at === -1 || at === text.length - 1 ? [] : text.slice(at + 1).split(',')
  return tmpfsMount(containerPath(at === -1 ? text : text.slice(0, at), refuse), settings, refuse)
}

function bindMount(source: string, destination: string, options: readonly string[]): SpecMount {
  const kind = options.some((option) => ['bind', 'rbind'].includes(option)) ? [] : ['rbind']
  const propagation = options.some((option) => PROPAGATIONS.includes(option)) ? [] : ['rprivate']
  return { destination, type: 'bind', source, options: [...kind, ...propagation, ...options] }
}

function tmpfsMount(
  destination: string,
  settings: readonly string[],
  refuse: (wanted: string) => Error,
): SpecMount {
  const odd = settings.find((setting) => {
    const [name = '', value] = setting.split('=', 2)
    return value === undefined ? !FLAGS.includes(name) : !TMPFS_SETTINGS.includes(name)
  })
  if (odd !== undefined) throw refuse(`tmpfs has no option ${JSON.stringify(odd)}`)
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...TMPFS_DEFAULTS, ...settings] }
}

function readOnly(value: string | undefined, refuse: (wanted: string) => Error): string[] {
  if (value === undefined || ['false', '0'].includes(value)) return []
  if (['true', '1'].includes(value)) return ['ro']
  throw refuse('readonly is true or false')
}

/** An absolute path of the container that is not its root. */
function containerPath(text: string | undefined, refuse: (wanted: string) => Error): string {
  if (text === undefined || !text.startsWith('/') || text.includes('\0'))
    throw refuse('the destination is an absolute path of the container')
  const path = posix.resolve(text)
  if (path === '/') throw refuse("the container's root is the image: mount at a path below it")
  if (/^\/proc(?:\/|$)/.test(path)) throw refuse('runtimes let nothing be mounted at or below /proc')
  return path
}

/** @throws {PreconditionError} MOUNT_SOURCE_MISSING */
function hostPath(option: string, text: string, refuse: (wanted: string) => Error): string {
  if (text === '' || text.includes('\0')) throw refuse('the source is missing: a path of this machine')
  const path = resolve(text)
  if (existsSync(path)) return path
  throw new PreconditionError(
    'MOUNT_SOURCE_MISSING',
    `--${option}: there is no ${path} on this machine: make it first, or correct the path`,
  )
}

/** One line of CSV: fields with a comma or a quote in them are in quotes, where two quotes are one. @see RFC 4180 */
function csvFields(text: string, refuse: (wanted: string) => Error): string[] {
  const fields: string[] = []
  const pattern = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy
  for (let at = 0; at <= text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) throw refuse('a field with a comma or a quote goes in quotes: "src=/a,b"')
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === '') break
  }
  return fields
}

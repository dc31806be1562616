/**
 * Devices by name, as their vendors describe them in files of this machine.
 * @see Container Device Interface, SPEC.md
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { messageOf, PreconditionError, systemCodeOf } from '../../../shared/errors.ts'
import type { DeviceEdits, SpecDevice, SpecHook } from '../spec/container-options.ts'
import type { SpecMount } from '../spec/default-spec.ts'
import { hostDevice } from './host-devices.ts'

/** What a later one says counts more. */
export const CDI_FOLDERS = ['/etc/cdi', '/var/run/cdi']
/** vendor/class=name */
export const CDI_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]*\/[A-Za-z0-9][\w.-]*=[A-Za-z0-9][\w.:-]*$/

interface Edits {
  env?: string[]
  deviceNodes?: CdiNode[]
  mounts?: { hostPath: string; containerPath: string; type?: string; options?: string[] }[]
  hooks?: (SpecHook & { hookName: string })[]
  additionalGids?: number[]
}

type CdiNode = Partial<Omit<SpecDevice, 'access'>> & { path: string; hostPath?: string; permissions?: string }

interface CdiSpec {
  file: string
  folder: string
  kind: string
  devices: { name: string; edits: Edits }[]
  edits: Edits
}

/**
 * @param names in the form of {@link CDI_NAME}
 * @param askedAs how a person has asked for one: errors begin with it
 * @throws {PreconditionError} DEVICE_UNKNOWN, DEVICE_AMBIGUOUS, DEVICE_MISSING, CDI_INVALID
 */
export function cdiDevices(
  names: readonly string[],
  folders: readonly string[] = CDI_FOLDERS,
  askedAs: (name: string) => string = (name) => name,
): DeviceEdits {
  const specs = naming(askedAs(names[0] ?? ''), () => folders.flatMap(readFolder))
  const found = names.map((name) => naming(askedAs(name), () => findDevice(name, specs, folders)))
  const used = [...new Set(found.map(({ spec }) => spec))]
  const ofDevices = found.map(({ edits }, index) =>
    naming(askedAs(names[index] as string), () => deviceEdits(edits)),
  )
  return mergeEdits([...used.map(({ edits }) => deviceEdits(edits)), ...ofDevices])
}

/** What `find` throws, as an answer to what was asked for. */
function naming<T>(asked: string, find: () => T): T {
  try {
    return find()
  } catch (error) {
    if (!(error instanceof PreconditionError)) throw error
    throw new PreconditionError(error.code, `${asked}: ${error.message}`, { cause: error.cause })
  }
}

/** Names of a kind, such as `nvidia.com/gpu`, in the order of their files. @throws {PreconditionError} CDI_INVALID */
export function cdiNames(
  kind: string,
  folders: readonly string[] = CDI_FOLDERS,
  askedAs: string = kind,
): string[] {
  const all = naming(askedAs, () => folders.flatMap(readFolder))
  const specs = all.filter((spec) => spec.kind === kind)
  return [...new Set(specs.flatMap(({ devices }) => devices.map(({ name }) => `${kind}=${name}`)))]
}

function findDevice(
  name: string,
  specs: readonly CdiSpec[],
  folders: readonly string[],
): { spec: CdiSpec; edits: Edits } {
  const matches = specs.flatMap((spec) =>
    spec.devices
      .filter((device) => `${spec.kind}=${device.name}` === name)
      .map(({ edits }) => ({ spec, edits })),
  )
  const last = matches.at(-1)
  if (last === undefined) throw unknownDevice(name, specs, folders)
  const rival = matches.find(({ spec }) => spec.folder === last.spec.folder && spec !== last.spec)
  if (rival === undefined) return last
  throw new PreconditionError(
    'DEVICE_AMBIGUOUS',
    `both ${rival.spec.file} and ${last.spec.file} describe the device ${name}: remove one of them`,
  )
}

/** A machine with divided GPUs has some hundred. */
const KNOWN_TOLD_MAX = 20

function unknownDevice(
  name: string,
  specs: readonly CdiSpec[],
  folders: readonly string[],
): PreconditionError {
  const known = [
    ...new Set(specs.flatMap(({ kind, devices }) => devices.map((device) => `${kind}=${device.name}`))),
  ]
  const looked = folders.map((folder) => (existsSync(folder) ? folder : `${folder} (which is not there)`))
  const more = known.length > KNOWN_TOLD_MAX ? ` and ${known.length - KNOWN_TOLD_MAX} more` : ''
  const told =
    known.length === 0
      ? 'no device is described there at all'
      : `they know ${known.slice(0, KNOWN_TOLD_MAX).join(', ')}${more}`
  const hint =
    name.startsWith('nvidia.com/') && !known.some((one) => one.startsWith('nvidia.com/'))
      ? '; nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml writes such a file'
      : ''
  return new PreconditionError(
    'DEVICE_UNKNOWN',
    `no file in ${looked.join(' or ')} describes the device ${name}: ${told}${hint}`,
  )
}

function readFolder(folder: string): CdiSpec[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => /\.(?:json|ya?ml)$/.test(name))
    .sort()
    .map((name) => readSpec(folder, join(folder, name)))
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** JSON is YAML, too. */
function readSpec(folder: string, file: string): CdiSpec {
  const refuse = (problem: string, cause?: unknown) =>
    new PreconditionError('CDI_INVALID', `${file} describes no devices: ${problem}`, { cause })
  let document: unknown
  try {
    document = yaml().parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw refuse(messageOf(cause).split('\n', 1)[0] ?? '', cause)
  }
  if (!isObject(document) || typeof document.kind !== 'string' || !Array.isArray(document.devices))
    throw refuse('it has no "kind" or no "devices"')
  const devices = document.devices.map((device: unknown, index) => {
    if (!isObject(device) || !['string', 'number'].includes(typeof device.name))
      throw refuse(`devices[${index}] has no name`)
    return { name: String(device.name), edits: containerEdits(device.containerEdits, refuse) }
  })
  return {
    file,
    folder,
    kind: document.kind,
    devices,
    edits: containerEdits(document.containerEdits, refuse),
  }
}

/** Each list, and what each of its items cannot do without. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  deviceNodes: ['path'],
  mounts: ['hostPath', 'containerPath'],
  hooks: ['hookName', 'path'],
}

function containerEdits(value: unknown, refuse: (problem: string) => Error): Edits {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw refuse('"containerEdits" is no object')
  for (const [list, fields] of Object.entries(REQUIRED)) {
    const items = value[list] ?? []
    const isSound = (item: unknown) =>
      isObject(item) && fields.every((field) => typeof item[field] === 'string')
    if (!Array.isArray(items) || !items.every(isSound)) throw refuse(`${list} need ${fields.join(' and ')}`)
  }
  const env = value.env ?? []
  if (!Array.isArray(env) || !env.every((item) => typeof item === 'string' && item.includes('=')))
    throw refuse('env is no list of NAME=value')
  // A key with nothing behind it is as one that is not there.
  const said = Object.fromEntries(Object.entries(value).filter(([, list]) => list !== null))
  return { ...said, additionalGids: (value.additionalGids ?? value.additionalGIDs ?? []) as number[] }
}

function deviceEdits({
  env = [],
  deviceNodes = [],
  mounts = [],
  hooks = [],
  additionalGids = [],
}: Edits): DeviceEdits {
  return {
    env,
    nodes: deviceNodes.map(deviceNode),
    mounts: mounts.map(specMount),
    hooks: hooksByStage(hooks),
    additionalGids,
  }
}

/** What the file leaves out is as on this machine. @throws {PreconditionError} DEVICE_MISSING */
function deviceNode({ path, hostPath = path, permissions = 'rwm', ...given }: CdiNode): SpecDevice {
  const { type, major, minor, fileMode, uid, gid } = given
  const rest = {
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
  if (type !== undefined && major !== undefined && minor !== undefined)
    return { path, type, major, minor, ...rest, access: permissions }
  const found = hostDevice(hostPath, path, permissions)
  if (found !== undefined) return { ...found, ...rest }
  throw new PreconditionError('DEVICE_MISSING', `there is no device ${hostPath} on this machine`)
}

function specMount(mount: NonNullable<Edits['mounts']>[number]): SpecMount {
  const { hostPath, containerPath, type = 'bind', options = [] } = mount
  const bind = type === 'bind' && !options.some((option) => /^r?bind$/.test(option)) ? ['rbind'] : []
  return { destination: containerPath, type, source: hostPath, options: [...bind, ...options] }
}

function hooksByStage(hooks: NonNullable<Edits['hooks']>): Record<string, SpecHook[]> {
  const stages: Record<string, SpecHook[]> = {}
  for (const { hookName, ...hook } of hooks) {
    const stage = stages[hookName] ?? []
    stages[hookName] = [...stage, hook]
  }
  return stages
}

/** All of them at once. */
export function mergeEdits(edits: readonly DeviceEdits[]): DeviceEdits {
  const stages = [...new Set(edits.flatMap(({ hooks }) => Object.keys(hooks)))]
  return {
    env: edits.flatMap(({ env }) => env),
    nodes: uniqueBy(
      edits.flatMap(({ nodes }) => nodes),
      ({ path }) => path,
    ),
    mounts: uniqueBy(
      edits.flatMap(({ mounts }) => mounts),
      ({ destination }) => destination,
    ),
    hooks: Object.fromEntries(
      stages.map((stage) => [stage, edits.flatMap(({ hooks }) => hooks[stage] ?? [])]),
    ),
    additionalGids: [...new Set(edits.flatMap(({ additionalGids }) => additionalGids))],
  }
}

/** The last one of each key. */
function uniqueBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()]
}

/** Loaded where a device is asked for: what parses options is loaded for --help, too. */
function yaml(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml')
}

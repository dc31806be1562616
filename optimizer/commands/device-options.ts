/** Devices of this machine in the container, as options of every command that runs one. */
import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { PreconditionError } from '../../shared/errors.ts'
import { CDI_FOLDERS, CDI_NAME, cdiDevices, cdiNames, mergeEdits } from '../workload/devices/cdi.ts'
import { hostDevice, hostDevices } from '../workload/devices/host-devices.ts'
import type { ContainerOptions, DeviceEdits, SpecDevice } from '../workload/spec/container-options.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { invalidOption } from './values.ts'

const GROUP = 'Workload:'
const GPU_KIND = 'nvidia.com/gpu'

export function addDeviceOptions(yargs: Argv): Argv {
  return yargs
    .option('device', {
      group: GROUP,
      type: 'string',
      array: true,
      describe:
        '/dev/NAME[:PATH[:rwm]], or VENDOR/CLASS=NAME as the vendor describes it in /etc/cdi (repeatable)',
    })
    .option('gpus', {
      group: GROUP,
      type: 'string',
      describe: `all, or indexes such as 0,1: devices ${GPU_KIND}=…`,
    })
}

/** @throws {UsageError} @throws {PreconditionError} DEVICE_MISSING, DEVICE_UNKNOWN, DEVICE_AMBIGUOUS, CDI_INVALID */
export function deviceOptions(argv: Arguments): Pick<ContainerOptions, 'devices'> {
  const devices = repeated(argv, 'device')
  const byName = devices.filter((text) => !text.startsWith('/')).map(cdiName)
  const gpus = single(argv, 'gpus')
  const askedAs = new Map([
    ...gpuNames(gpus).map((name) => [name, `--gpus ${gpus}`] as const),
    ...byName.map((name) => [name, `--device ${name}`] as const),
  ])
  const names = [...askedAs.keys()]
  const nodes = devices.filter((text) => text.startsWith('/')).map(node)
  const all = argv.privileged === true ? hostDevices() : []
  if (names.length + nodes.length + all.length === 0) return {}
  const edits = [ofNodes(all), ofNodes(nodes)]
  if (names.length > 0) edits.push(cdiDevices(names, CDI_FOLDERS, (name) => askedAs.get(name) ?? name))
  return { devices: mergeEdits(edits) }
}

function ofNodes(nodes: readonly SpecDevice[]): DeviceEdits {
  return { env: [], nodes, mounts: [], hooks: {}, additionalGids: [] }
}

function cdiName(text: string): string {
  if (CDI_NAME.test(text)) return text
  throw invalidOption('device', text, 'write a path such as /dev/fuse, or VENDOR/CLASS=NAME')
}

/** A vendor's file may have a device for all; else all are named one by one. */
function gpuNames(text: string | undefined): string[] {
  if (text === undefined) return []
  if (text !== 'all' && !/^\d+(?:,\d+)*$/.test(text))
    throw invalidOption('gpus', text, 'write all, or indexes such as 0,1')
  const named = text.split(',').map((index) => `${GPU_KIND}=${index}`)
  if (text !== 'all') return named
  const known = cdiNames(GPU_KIND, CDI_FOLDERS, `--gpus ${text}`)
  return known.length === 0 || known.includes(`${GPU_KIND}=all`) ? named : known
}

function node(text: string): SpecDevice {
  const [path = '', shownAt = path, access = 'rwm', ...rest] = text.split(':')
  if (rest.length > 0 || !shownAt.startsWith('/') || !/^[rwm]{1,3}$/.test(access))
    throw invalidOption('device', text, 'write /dev/NAME, /dev/NAME:PATH or /dev/NAME:PATH:rwm')
  const found = hostDevice(path, resolve(shownAt), access)
  if (found !== undefined) return found
  throw new PreconditionError('DEVICE_MISSING', `--device: there is no device ${path} on this machine`)
}

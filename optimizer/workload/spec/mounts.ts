/** What is mounted into the container: what every one has, what was asked for, and files of ours, in this order. */
import type { ContainerOptions } from './container-options.ts'
import { MOUNTS, type SpecMount } from './default-spec.ts'
import { hasLimits } from './resources.ts'

export interface ShownFile {
  /** On the host. */
  source: string
  destination: string
  writable: boolean
}

/** Where a mount was asked for, it is the only one. */
export function specMounts(container: ContainerOptions, files: readonly ShownFile[]): SpecMount[] {
  const asked = [...(container.devices?.mounts ?? []), ...(container.mounts ?? [])]
  const taken = new Set(asked.map(({ destination }) => destination))
  const free = ({ destination }: { destination: string }) => !taken.has(destination)
  const usual = MOUNTS.map((mount) => changed(mount, container))
  const groups = hasLimits(container) || container.privileged === true ? [controlGroups(container)] : []
  return [...[...usual, ...groups].filter(free), ...byDepth(asked), ...files.filter(free).map(fileMount)]
}

function changed(mount: SpecMount, { shmBytes, privileged }: ContainerOptions): SpecMount {
  const { destination, options } = mount
  if (destination === '/dev/shm' && shmBytes !== undefined)
    return {
      ...mount,
      options: options.map((option) => (/^size=/.test(option) ? `size=${shmBytes}` : option)),
    }
  if (destination === '/sys' && privileged === true)
    return { ...mount, options: options.filter((option) => option !== 'ro') }
  return mount
}

/** Where a program reads which limits it has. */
function controlGroups({ privileged }: ContainerOptions): SpecMount {
  const options = ['nosuid', 'noexec', 'nodev', 'relatime', ...(privileged === true ? [] : ['ro'])]
  return { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options }
}

/** A folder before what is mounted inside it, whatever the order of the options; else as given. */
function byDepth(mounts: readonly SpecMount[]): SpecMount[] {
  const depth = ({ destination }: SpecMount) => destination.split('/').length
  return mounts.toSorted((a, b) => depth(a) - depth(b))
}

function fileMount({ source, destination, writable }: ShownFile): SpecMount {
  return { destination, type: 'bind', source, options: ['bind', writable ? 'rw' : 'ro'] }
}

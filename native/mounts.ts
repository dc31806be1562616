/**
 * Mounting as containerd means it: a mount is a type, a source and option words.
 * @see containerd, core/mount/mount_linux.go (parseMountOptions, Mount)
 */
import { statfsSync } from 'node:fs'
import { release } from 'node:os'
import { PreconditionError } from '../shared/errors.ts'
import { loadAddon } from './addon.ts'
import { NativeError, orNativeError } from './system-error.ts'

interface MountsBinding {
  mount(source: string, target: string, type: string, flags: number, data: string): void
  mountWithParameters(
    type: string,
    target: string,
    attributes: number,
    parameters: [string, string | null][],
  ): void
  copyMountInto(namespacePath: string, target: string): void
  unmount(target: string, flags: number): void
  makeFifo(path: string, mode: number): void
}

export interface MountRequest {
  type: string
  source: string
  target: string
  options: readonly string[]
}

/** Values of <linux/mount.h>. */
const MS = {
  rdonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  synchronous: 16,
  remount: 32,
  mandlock: 64,
  dirsync: 128,
  noatime: 1024,
  nodiratime: 2048,
  bind: 4096,
  rec: 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
  strictatime: 1 << 24,
} as const

const PROPAGATION = MS.unbindable | MS.private | MS.slave | MS.shared

const SETS: Record<string, number> = {
  bind: MS.bind,
  dirsync: MS.dirsync,
  mand: MS.mandlock,
  noatime: MS.noatime,
  nodev: MS.nodev,
  nodiratime: MS.nodiratime,
  noexec: MS.noexec,
  nosuid: MS.nosuid,
  private: MS.private,
  rbind: MS.bind | MS.rec,
  relatime: MS.relatime,
  remount: MS.remount,
  ro: MS.rdonly,
  rprivate: MS.private | MS.rec,
  rshared: MS.shared | MS.rec,
  rslave: MS.slave | MS.rec,
  runbindable: MS.unbindable | MS.rec,
  shared: MS.shared,
  slave: MS.slave,
  strictatime: MS.strictatime,
  sync: MS.synchronous,
  unbindable: MS.unbindable,
}

const CLEARS: Record<string, number> = {
  async: MS.synchronous,
  atime: MS.noatime,
  defaults: 0,
  dev: MS.nodev,
  diratime: MS.nodiratime,
  exec: MS.noexec,
  nomand: MS.mandlock,
  norelatime: MS.relatime,
  nostrictatime: MS.strictatime,
  rw: MS.rdonly,
  suid: MS.nosuid,
}

/** mount(2) copies one page of data, its last byte being the terminator; what is beyond is cut off in silence. */
const DATA_BYTES_MAX = 4095

/** Option words as the flags of mount(2) and the words left for the file system. */
export function parseOptions(options: readonly string[]): { flags: number; data: string[] } {
  let flags = 0
  const data: string[] = []
  for (const option of options) {
    const set = SETS[option]
    const clear = CLEARS[option]
    if (set !== undefined) flags |= set
    else if (clear !== undefined) flags &= ~clear
    else data.push(option)
  }
  return { flags, data }
}

/**
 * Mounts `request`. An overlay whose options exceed a page goes through the new mount API (Linux 6.8).
 * @throws {NativeError} MOUNT_FAILED
 * @throws {PreconditionError} MOUNT_OPTIONS_TOO_LONG
 */
export function mount(request: MountRequest): void {
  const { type, source, target } = request
  const { flags, data } = parseOptions(request.options)
  const joined = data.join(',')
  orNativeError(
    'MOUNT_FAILED',
    `cannot mount ${type} at ${target}`,
    'mounting needs root (CAP_SYS_ADMIN)',
    () => {
      if (Buffer.byteLength(joined) > DATA_BYTES_MAX) mountLongOverlay(request, flags, data)
      else mountPlainly(source, target, type, flags, joined)
    },
  )
}

function mountPlainly(source: string, target: string, type: string, flags: number, data: string): void {
  const native = loadAddon<MountsBinding>()
  // Propagation goes alone, and a bind takes its other flags only in a second step: mount(2).
  const ownFlags = flags & ~PROPAGATION
  if ((flags & MS.remount) === 0 || data !== '') native.mount(source, target, type, ownFlags, data)
  if ((flags & PROPAGATION) !== 0) native.mount('', target, '', flags & (PROPAGATION | MS.rec), '')
  const readOnlyBind = MS.bind | MS.rdonly
  if ((ownFlags & readOnlyBind) === readOnlyBind) native.mount('', target, '', ownFlags | MS.remount, '')
}

/** MOUNT_ATTR_… of <linux/mount.h> for those flags that belong to a mount. */
const ATTRIBUTES: readonly [flag: number, attribute: number][] = [
  [MS.rdonly, 0x01],
  [MS.nosuid, 0x02],
  [MS.nodev, 0x04],
  [MS.noexec, 0x08],
  [MS.noatime, 0x10],
  [MS.strictatime, 0x20],
  [MS.nodiratime, 0x80],
]

function mountLongOverlay(request: MountRequest, flags: number, data: readonly string[]): void {
  const { type, source, target } = request
  if (type !== 'overlay') {
    throw new PreconditionError(
      'MOUNT_OPTIONS_TOO_LONG',
      `cannot mount ${type} at ${target}: its options are longer than the ${DATA_BYTES_MAX} bytes that Linux accepts`,
    )
  }
  const parameters: [string, string | null][] = [['source', source], ...data.flatMap(overlayParameters)]
  const layers = parameters.filter(([key]) => key === 'lowerdir+').length
  if ((flags & MS.rdonly) !== 0) parameters.push(['ro', null])
  const attributes = ATTRIBUTES.reduce((sum, [flag, bit]) => ((flags & flag) === 0 ? sum : sum | bit), 0)
  try {
    loadAddon<MountsBinding>().mountWithParameters(type, target, attributes, parameters)
  } catch (cause) {
    if (!kernelLacksLowerdirPlus(cause)) throw cause
    throw new PreconditionError(
      'MOUNT_OPTIONS_TOO_LONG',
      `cannot mount the overlay of ${layers} layers at ${target}: their paths are longer than a page and this ` +
        `kernel, Linux ${release()}, does not take them one by one; Linux 6.8 or newer does`,
      { cause },
    )
  }
}

function overlayParameters(option: string): [string, string | null][] {
  const at = option.indexOf('=')
  if (at === -1) return [[option, null]]
  const key = option.slice(0, at)
  const value = option.slice(at + 1)
  if (key !== 'lowerdir') return [[key, value]]
  // In the joined list a colon of a path is written "\:"; one by one it needs no escape.
  return value.split(/(?<!\\):/).map((layer) => ['lowerdir+', layer.replaceAll('\\:', ':')])
}

function kernelLacksLowerdirPlus(cause: unknown): boolean {
  const facts = cause as { code?: unknown; details?: unknown }
  if (facts.code === 'ENOSYS') return true
  return typeof facts.details === 'string' && facts.details.includes("Unknown parameter 'lowerdir+'")
}

/**
 * Mounts what is mounted at `target` there in another mount namespace, too, mounts below it included; this process
 * stays where it is. Nothing happens where it is there already, because mounts made here reach that namespace.
 *
 * @param namespacePath e.g. `/proc/7/ns/mnt`
 * @throws {NativeError} MOUNT_FAILED; its `systemCode` is `ENOSYS` or `EPERM` where the kernel, or what guards it,
 *   does not allow it (Linux before 5.2)
 * @see open_tree(2), move_mount(2)
 */
export function copyMountInto(namespacePath: string, target: string): void {
  orNativeError(
    'MOUNT_FAILED',
    `cannot mount ${target} in ${namespacePath}`,
    'mounting needs root (CAP_SYS_ADMIN)',
    () => loadAddon<MountsBinding>().copyMountInto(namespacePath, target),
  )
}

const MNT_DETACH = 2

/**
 * Unmounts what is mounted at `target`; `detach` takes it out of sight now and ends it when nobody uses it.
 * @returns false when nothing is mounted there
 * @throws {NativeError} UNMOUNT_FAILED, e.g. `systemCode` EBUSY
 */
export function unmount(target: string, options: { detach?: boolean } = {}): boolean {
  try {
    orNativeError('UNMOUNT_FAILED', `cannot unmount ${target}`, 'unmounting needs root (CAP_SYS_ADMIN)', () =>
      loadAddon<MountsBinding>().unmount(target, options.detach === true ? MNT_DETACH : 0),
    )
    return true
  } catch (error) {
    const nothingThere = error instanceof NativeError && ['EINVAL', 'ENOENT'].includes(error.systemCode ?? '')
    if (nothingThere) return false
    throw error
  }
}

/** Magic number of overlayfs. @see statfs(2) */
const OVERLAYFS_SUPER_MAGIC = 0x794c7630

/** Whether a folder is on an overlay. @throws NodeJS errors of statfs(2) */
export function isOverlay(folder: string): boolean {
  return statfsSync(folder).type === OVERLAYFS_SUPER_MAGIC
}

/** Makes a named pipe; `mode` is subject to the umask. @throws {NativeError} FIFO_FAILED */
export function makeFifo(path: string, mode: number): void {
  orNativeError('FIFO_FAILED', `cannot make the named pipe ${path}`, '', () =>
    loadAddon<MountsBinding>().makeFifo(path, mode),
  )
}

/** The workload's root file system: a writable layer on top of the image, mounted in the run folder. */
import { mkdirSync, realpathSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { isOverlay, type MountRequest, mount, unmount } from '../../native/mounts.ts'
import { NativeError } from '../../native/system-error.ts'
import type { UnpackedImage } from './engine.ts'
import { mountPointsBelow } from './mount-points.ts'
import { ROOTFS_FOLDER, type Run } from './run.ts'

export interface Rootfs {
  /** Mount point on the host. */
  path: string
  /** An overlay has a file system of its own, for one mount alone; null: a bind shows a part of a larger one. */
  overlay: OverlayFolders | null
}

/** What an overlay is made of. */
export interface OverlayFolders {
  /** Where everything new or changed is. */
  upper: string
  /** The image's layers, topmost first. */
  lowers: string[]
  /** How many of them are mounted by a snapshotter that fetches what is read as it is read. */
  lazyLowers: number
}

/** Magic number of FUSE. @see statfs(2). Snapshotters that pull lazily serve layers by it. */
const FUSE_SUPER_MAGIC = 0x65735546

/** @throws {NativeError} MOUNT_FAILED */
export async function mountRootfs(run: Run, image: UnpackedImage): Promise<Rootfs> {
  const mounts = await image.prepareRoot()
  const path = join(run.folder, ROOTFS_FOLDER)
  mkdirSync(path, { mode: 0o700 })
  run.undo.push(`the mount ${path}`, () => unmountBelow(path))
  for (const { type, source, target, options } of mounts)
    mountOnce({ type, source, target: join(path, target), options })
  return { path, overlay: isOverlay(path) ? overlayFolders(mounts) : null }
}

function overlayFolders(mounts: readonly { target: string; options: readonly string[] }[]): OverlayFolders {
  const options = mounts.find(({ target }) => target === '')?.options ?? []
  const value = (name: string) =>
    options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1)
  const lowers = value('lowerdir')?.split(':') ?? []
  const lazyLowers = lowers.filter((lower) => statfsSync(lower).type === FUSE_SUPER_MAGIC).length
  return { upper: realpathSync(value('upperdir') ?? ''), lowers, lazyLowers }
}

/**
 * An overlay that is thrown away need not be synced to disk when it is unmounted (up to 200 ms on a busy one):
 * `volatile`, of Linux 5.10.
 */
function mountOnce(request: MountRequest): void {
  try {
    mount(request.type === 'overlay' ? { ...request, options: [...request.options, 'volatile'] } : request)
  } catch (error) {
    if (request.type !== 'overlay' || !(error instanceof NativeError && error.systemCode === 'EINVAL'))
      throw error
    mount(request)
  }
}

/** Unmounts everything at or below a folder, the latest first. @returns false when nothing was mounted there */
export function unmountBelow(folder: string): boolean {
  const points = mountPointsBelow(folder)
  for (const point of points.reverse()) unmountStubborn(point)
  return points.length > 0
}

/** A mount that is still in use is taken out of sight; it ends with its last user. */
function unmountStubborn(path: string): void {
  try {
    unmount(path)
  } catch (error) {
    if (!(error instanceof NativeError && error.systemCode === 'EBUSY')) throw error
    unmount(path, { detach: true })
  }
}

/** Device nodes of this machine. */
import { type BigIntStats, type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SpecDevice } from '../spec/container-options.ts'

/** Folders and nodes of /dev that every container has of its own. */
const OWN =
  /^\/dev\/(?:pts|shm|mqueue|console|ptmx|tty|null|zero|full|random|urandom|fd|std(?:in|out|err))(?:\/|$)/
const PERMISSIONS = 0o7777n

/** Every device below /dev but those that a container has anyway. */
export function hostDevices(folder = '/dev'): SpecDevice[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (OWN.test(path)) return []
    if (entry.isDirectory()) return hostDevices(path)
    if (!entry.isBlockDevice() && !entry.isCharacterDevice()) return []
    return hostDevice(path, path, 'rwm') ?? []
  })
}

/**
 * @param path on this machine; links are followed
 * @param shownAt in the container
 * @param access some of r, w, m
 * @returns undefined where there is no device
 */
export function hostDevice(path: string, shownAt: string, access: string): SpecDevice | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (status === undefined || !(status.isBlockDevice() || status.isCharacterDevice())) return undefined
  return {
    path: shownAt,
    type: status.isBlockDevice() ? 'b' : 'c',
    ...numbers(status),
    fileMode: Number(status.mode & PERMISSIONS),
    uid: Number(status.uid),
    gid: Number(status.gid),
    access,
  }
}

/** As the C library divides a device's number. @see makedev(3) */
function numbers({ rdev }: BigIntStats): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

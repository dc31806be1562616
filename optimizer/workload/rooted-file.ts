/** Reading a file of an image's root file system without ever leaving it, whatever its symlinks say. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'

/** As the kernel's own limit. @see path_resolution(7) */
const SYMLINKS_MAX = 40

/**
 * The file's text, or null when there is no regular file at that path.
 * @param root where the file system is mounted
 * @param path absolute inside it; symlinks, absolute ones too, are followed as inside a chroot
 * @throws {PreconditionError} ROOTED_FILE_TOO_LARGE
 */
export function readRootedFile(root: string, path: string, bytesMax: number): string | null {
  const found = resolveInRoot(root, path)
  if (found === null) return null
  let descriptor: number
  try {
    // A FIFO must not make us wait.
    descriptor = openSync(found, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO', 'ENODEV'].includes(systemCodeOf(error) ?? '')) return null
    throw error
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) return null
    if (stat.size > bytesMax)
      throw new PreconditionError(
        'ROOTED_FILE_TOO_LARGE',
        `${path} of the image has ${stat.size} bytes, at most ${bytesMax} are read`,
      )
    const bytes = Buffer.alloc(bytesMax)
    let filled = 0
    for (let got = -1; got !== 0 && filled < bytesMax; filled += got)
      got = readSync(descriptor, bytes, filled, bytesMax - filled, null)
    return bytes.toString('utf8', 0, filled)
  } finally {
    closeSync(descriptor)
  }
}

/** The host path that `path` means inside `root`, free of symlinks; null when it does not exist. */
function resolveInRoot(root: string, path: string): string | null {
  const pending = path.split('/').reverse()
  const walked: string[] = []
  let symlinks = 0
  while (pending.length > 0) {
    const part = pending.pop() as string
    if (part === '' || part === '.') continue
    if (part === '..') {
      walked.pop()
      continue
    }
    const here = join(root, ...walked, part)
    const target = symlinkTarget(here)
    if (target === undefined) return null
    if (target === null) {
      walked.push(part)
      continue
    }
    if (++symlinks > SYMLINKS_MAX) return null
    if (target.startsWith('/')) walked.length = 0
    pending.push(...target.split('/').reverse())
  }
  return join(root, ...walked)
}

/** Null when there is something else than a symlink, undefined when there is nothing. */
function symlinkTarget(path: string): string | null | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(systemCodeOf(error) ?? '')) return undefined
    throw error
  }
}

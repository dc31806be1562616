/** The files of one layer, unpacked from Debian packages as debootstrap does: no maintainer script runs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lutimes, mkdir, readdir, rm, rmdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from '../../shared/errors.ts'

/** The time of what we make ourselves, so that the same packages give the same bytes. */
const OWN_MTIME_SECONDS = Date.UTC(2024, 0, 1) / 1000

/** Debian's merged /usr: these lead there, in every release since 12. */
const MERGED = process.arch === 'x64' ? ['bin', 'sbin', 'lib', 'lib64'] : ['bin', 'sbin', 'lib']

/**
 * Unpacks packages into an empty folder.
 * @param isLowest the lowest layer carries the links of the merged /usr; the others only go through them
 */
export async function unpackPackages(
  archives: string[],
  folder: string,
  options: { isLowest: boolean; signal: AbortSignal },
): Promise<void> {
  for (const name of MERGED) {
    await mkdir(join(folder, 'usr', name), { recursive: true })
    await symlink(`usr/${name}`, join(folder, name))
  }
  await unpack(archives, folder, options.signal)
  for (const name of MERGED) {
    if (options.isLowest) await setOwnTime(join(folder, name))
    else await rm(join(folder, name))
    await rmdir(join(folder, 'usr', name)).catch(ignoreNotEmpty)
  }
}

/** Of the link itself, where it is one. */
export function setOwnTime(path: string): Promise<void> {
  return lutimes(path, OWN_MTIME_SECONDS, OWN_MTIME_SECONDS)
}

/** Of every folder: tar leaves the time of unpacking on some, packages differ about others. */
export async function setFolderTimes(tree: string): Promise<void> {
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) await setOwnTime(join(entry.parentPath, entry.name))
}

/** dpkg-deb alone would replace the links of the merged /usr by folders; tar can be told to keep them. */
const UNPACK = `set -eo pipefail
folder=$0
for archive; do
  dpkg-deb --fsys-tarfile "$archive" |
    tar -x --keep-directory-symlink --no-same-owner --preserve-permissions -C "$folder"
done`

async function unpack(archives: string[], folder: string, signal: AbortSignal): Promise<void> {
  const child = spawn('bash', ['-c', UNPACK, folder, ...archives], {
    stdio: ['ignore', 'ignore', 'inherit'],
    signal,
  })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`the packages could not be unpacked into ${folder}`)
}

function ignoreNotEmpty(error: unknown): void {
  if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
}

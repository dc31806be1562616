/**
 * What a run has left in the upper directory of its overlay: files of its own, and files of the image that were
 * copied up. chmod, chown, utimes, truncate and rename copy a file up, which reads it, without an event that anybody
 * could see; only its traces are here.
 *
 * @see Linux, Documentation/filesystems/overlayfs.rst
 */
import { type BigIntStats, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { copyUpOrigin } from '../../native/overlay.ts'
import type { OverlayFolders } from './rootfs.ts'

export interface UpperFiles {
  copiedUp: CopiedUpFile[]
  /** Copied up as well, but under which name they were in the image cannot be told: paths that they have now. */
  unnamed: Buffer[]
  /** Regular files made at run time; latin1 of their bytes. */
  made: Set<string>
}

export interface CopiedUpFile {
  /** That it has in the image, without leading slash. */
  path: Buffer
  /** That were read for it. */
  sizeBytes: number
}

/** A path below the root, latin1 of its bytes, without leading slash. */
type Key = string

const SLASH = Buffer.from('/')

/** The workload must have ended; the overlay must still be mounted. @throws the signal's reason */
export async function readUpperFiles(folders: OverlayFolders, signal: AbortSignal): Promise<UpperFiles> {
  const found: UpperFiles = { copiedUp: [], unnamed: [], made: new Set() }
  const lowers = new LowerFolders(folders.lowers)
  const { files, hidden } = await listUpper(folders.upper, signal)
  const renamed: { key: Key; identity: string }[] = []

  for (const key of files) {
    const origin = copyUpOrigin(join(folders.upper, key), lowers.folders)
    if (origin?.metadataOnly) continue
    const same = lowers.stat(key)
    const identity = origin?.inode === undefined ? undefined : `${origin.device} ${origin.inode}`
    if (origin === undefined) {
      // Overlayfs notes no origin for a file of several names: that it was copied up is the safe guess.
      if (same?.isFile() && same.nlink > 1n) found.copiedUp.push(copied(key, same))
      else found.made.add(key)
    } else if (same?.isFile() && (identity === undefined || identity === identityOf(same))) {
      found.copiedUp.push(copied(key, same))
    } else if (identity === undefined) found.unnamed.push(Buffer.from(key, 'latin1'))
    else {
      const named = lowers.keyOf(origin.path as Buffer)
      const status = named === undefined ? undefined : lowers.stat(named)
      if (named !== undefined && status !== undefined && identityOf(status) === identity)
        found.copiedUp.push(copied(named, status))
      else renamed.push({ key, identity })
    }
  }
  nameRenamed(renamed, [...hidden, ...found.made], lowers, found)
  return found
}

/** A renamed file has left its old name hidden, or to another file: the one with its inode below is it. */
function nameRenamed(
  renamed: { key: Key; identity: string }[],
  candidates: Key[],
  lowers: LowerFolders,
  found: UpperFiles,
): void {
  if (renamed.length === 0) return
  const byIdentity = new Map<string, Key>()
  for (const key of candidates) {
    const status = lowers.stat(key)
    if (status?.isFile()) byIdentity.set(identityOf(status), key)
  }
  for (const { key, identity } of renamed) {
    const old = byIdentity.get(identity)
    if (old === undefined) found.unnamed.push(Buffer.from(key, 'latin1'))
    else found.copiedUp.push(copied(old, lowers.stat(old) as BigIntStats))
  }
}

function copied(key: Key, { size }: BigIntStats): CopiedUpFile {
  return { path: Buffer.from(key, 'latin1'), sizeBytes: Number(size) }
}

const identityOf = ({ dev, ino }: BigIntStats) => `${dev} ${ino}`

function join(folder: string, key: Key): Buffer {
  return Buffer.concat([Buffer.from(folder), SLASH, Buffer.from(key, 'latin1')])
}

class LowerFolders {
  /** Topmost first. */
  readonly folders: readonly string[]
  readonly #prefixes: string[]

  constructor(folders: readonly string[]) {
    this.folders = folders
    this.#prefixes = folders.map((folder) => `${Buffer.from(realpathSync(folder)).toString('latin1')}/`)
  }

  /** Of the topmost layer that has it. */
  stat(key: Key): BigIntStats | undefined {
    for (const folder of this.folders) {
      try {
        return lstatSync(join(folder, key), { bigint: true })
      } catch {
        // Not in this one (or below something that is no folder here).
      }
    }
    return undefined
  }

  keyOf(path: Buffer): Key | undefined {
    const text = path.toString('latin1')
    const prefix = this.#prefixes.find((candidate) => text.startsWith(candidate))
    return prefix === undefined ? undefined : text.slice(prefix.length)
  }
}

/** Regular files of the upper directory, and names that it hides from the layers below (whiteouts). */
async function listUpper(upper: string, signal: AbortSignal): Promise<{ files: Key[]; hidden: Key[] }> {
  const files: Key[] = []
  const hidden: Key[] = []
  const folders: Key[] = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    await turn()
    signal.throwIfAborted()
    const entries = readdirSync(join(upper, folder), { encoding: 'buffer', withFileTypes: true })
    for (const entry of entries) {
      const name = entry.name.toString('latin1')
      const key = folder === '' ? name : `${folder}/${name}`
      if (entry.isDirectory()) folders.push(key)
      else if (entry.isFile()) files.push(key)
      else if (entry.isCharacterDevice() && lstatSync(join(upper, key)).rdev === 0) hidden.push(key)
    }
  }
  return { files, hidden }
}

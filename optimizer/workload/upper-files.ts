/**
 * What a run has left in the upper directory of its overlay: files of its own, and files of the image that were
 * copied up. chmod, chown, utimes, truncate and rename copy a file up, which reads it, without an event that anybody
 * could see; only its traces are here.
 *
 * @see Linux, Documentation/filesystems/overlayfs.rst
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
} from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { type CopyUpOrigin, copyUpOrigin } from '../../native/overlay.ts'
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

/** No file of an image lies deeper. */
const PATH_BYTES_MAX = 4096
const SLASH = Buffer.from('/')

/** The workload must have ended; the overlay must still be mounted. @throws the signal's reason */
export async function readUpperFiles(folders: OverlayFolders, signal: AbortSignal): Promise<UpperFiles> {
  const found: UpperFiles = { copiedUp: [], unnamed: [], made: new Set() }
  const lowers = new LowerFolders(folders.lowers)
  const hidden: Key[] = []
  const renamed: Renamed[] = []
  for await (const { key, path, hides } of walk(folders.upper, signal)) {
    if (hides) hidden.push(key)
    else classify(key, copyUpOrigin(path, lowers.folders), lowers, { found, renamed })
  }
  nameRenamed(renamed, [...hidden, ...found.made], lowers, found)
  return found
}

interface Renamed {
  key: Key
  /** Of the file in its layer. */
  identity: string
}

function classify(
  key: Key,
  origin: CopyUpOrigin | undefined,
  lowers: LowerFolders,
  { found, renamed }: { found: UpperFiles; renamed: Renamed[] },
): void {
  if (origin?.metadataOnly) return
  const same = lowers.stat(key)
  const identity = origin?.inode === undefined ? undefined : `${origin.device} ${origin.inode}`
  if (origin === undefined) {
    // Overlayfs notes no origin for a file of several names: that it was copied up is the safe guess.
    if (same?.isFile() && same.nlink > 1n) found.copiedUp.push(copied(key, same))
    else found.made.add(key)
  } else if (same?.isFile() && (identity === undefined || identity === identityOf(same))) {
    found.copiedUp.push(copied(key, same))
  } else if (identity === undefined) {
    found.unnamed.push(Buffer.from(key, 'latin1'))
  } else {
    const named = lowers.keyOf(origin.path as Buffer)
    const status = named === undefined ? undefined : lowers.stat(named)
    if (named !== undefined && status !== undefined && identityOf(status) === identity)
      found.copiedUp.push(copied(named, status))
    else renamed.push({ key, identity })
  }
}

/** A renamed file has left its old name hidden, or to another file: the one with its inode below is it. */
function nameRenamed(renamed: Renamed[], candidates: Key[], lowers: LowerFolders, found: UpperFiles): void {
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
        const status = lstatSync(join(folder, key), { bigint: true, throwIfNoEntry: false })
        if (status !== undefined) return status
      } catch {
        // Below something that is no folder here, or longer than any path of a layer.
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

interface Walked {
  key: Key
  /** By which it can be reached now. */
  path: Buffer
  /** A whiteout: it hides that name in the layers below. */
  hides: boolean
}

interface OpenFolder {
  fd: number
  key: Key
  /** That are still to be looked at. */
  entries: Dirent<Buffer>[]
}

/**
 * Regular files and whiteouts of the upper directory. Whoever walks relative to folders makes paths longer than can
 * be written in one piece: here each folder is reached by its own descriptor.
 */
async function* walk(upper: string, signal: AbortSignal): AsyncGenerator<Walked> {
  const open: OpenFolder[] = []
  const enter = (path: Buffer, key: Key) => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    const folder: OpenFolder = { fd, key, entries: [] }
    open.push(folder)
    folder.entries = readdirSync(descriptorPath(fd), { encoding: 'buffer', withFileTypes: true })
  }
  try {
    enter(Buffer.from(upper), '')
    for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
      const entry = folder.entries.pop()
      if (entry === undefined) {
        closeSync(folder.fd)
        open.pop()
        continue
      }
      const key = `${folder.key === '' ? '' : `${folder.key}/`}${entry.name.toString('latin1')}`
      const path = Buffer.concat([Buffer.from(`${descriptorPath(folder.fd)}/`), entry.name])
      if (entry.isFile()) yield { key, path, hides: false }
      else if (entry.isCharacterDevice() && lstatSync(path).rdev === 0) yield { key, path, hides: true }
      else if (entry.isDirectory() && key.length < PATH_BYTES_MAX) {
        await turn()
        signal.throwIfAborted()
        enter(path, key)
      }
    }
  } finally {
    for (const { fd } of open) closeSync(fd)
  }
}

const descriptorPath = (fd: number) => `/proc/self/fd/${fd}`

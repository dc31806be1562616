/**
 * A layer's entries as files: a folder that is a lower directory of overlayfs. Whiteouts become what overlayfs means by
 * them. Nothing outside the folder is reached, whatever the entries are called. @see OCI image spec, layer.md; Linux,
 * Documentation/filesystems/overlayfs.rst
 */
import { closeSync, ftruncateSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { type Attributes, type FolderFacts, FolderTree } from '../../native/folder-tree.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import { parentPath } from '../tar/path-key.ts'

const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_NAME = '.wh..wh..opq'
/** Hard-link bookkeeping of aufs, no whiteouts. */
const AUFS_PREFIX = '.wh..wh.'
const OPAQUE: readonly [string, Buffer] = ['trusted.overlay.opaque', Buffer.from('y')]
/** What overlayfs itself notes: an image may not say it in overlayfs' place. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./
const COPY_BYTES = 1024 * 1024
/** Between two looks at whether somebody wants this to end. */
const ENTRIES_PER_TURN = 256

export interface LayerContent {
  /** In the tar's order; on their way, where the layer is still being read. */
  entries: Iterable<TarEntry> | AsyncIterable<TarEntry>
  /** Fills all of `target` with bytes of the uncompressed tar. */
  readInto(target: Uint8Array, offset: number): Promise<void>
}

export interface UnpackedLayer {
  entries: number
  /** Of the files' content. */
  sizeBytes: number
  /** Folders that the layer has something in and does not name itself: in the image they are as a lower layer says. */
  implicit: PathKey[]
  /** Whether it names the root itself. */
  namesRoot: boolean
}

/**
 * @param folder that is there and empty
 * @param lookBelow what the layers below say of a folder
 * @throws {NativeError} ENTRY_FAILED @throws the signal's reason
 */
export async function unpackLayer(
  layer: LayerContent,
  folder: string,
  lookBelow: (path: PathKey) => FolderFacts | undefined,
  signal: AbortSignal,
): Promise<UnpackedLayer> {
  const tree = new FolderTree(folder)
  try {
    return await new LayerUnpacker(layer, tree, lookBelow).unpack(signal)
  } finally {
    tree.close()
  }
}

const bytesOf = (path: PathKey) => Buffer.from(path, 'latin1')

class LayerUnpacker {
  readonly #layer: LayerContent
  readonly #tree: FolderTree
  readonly #lookBelow: (path: PathKey) => FolderFacts | undefined
  /** Made or seen. */
  readonly #folders = new Set<PathKey>([''])
  readonly #implicit = new Set<PathKey>()
  readonly #opaque = new Set<PathKey>()
  /** Whose attributes are set when nothing more is made in them. */
  readonly #named = new Map<PathKey, TarEntry>()
  readonly #buffer = Buffer.allocUnsafeSlow(COPY_BYTES)

  constructor(layer: LayerContent, tree: FolderTree, lookBelow: (path: PathKey) => FolderFacts | undefined) {
    this.#layer = layer
    this.#tree = tree
    this.#lookBelow = lookBelow
  }

  async unpack(signal: AbortSignal): Promise<UnpackedLayer> {
    const whiteouts: TarEntry[] = []
    const present = new Map<PathKey, TarEntry['type']>()
    let entries = 0
    let sizeBytes = 0
    for await (const entry of this.#layer.entries) {
      if (entries++ % ENTRIES_PER_TURN === 0) {
        await turn()
        signal.throwIfAborted()
      }
      present.set(entry.path, entry.type)
      sizeBytes += entry.payloadBytes
      if (nameOf(entry.path).startsWith(WHITEOUT_PREFIX)) whiteouts.push(entry)
      else await this.#make(entry, signal)
    }
    // They concern the layers below, wherever they stand in the tar.
    for (const { path } of whiteouts) this.#hide(path, present)
    this.#finishFolders()
    const namesRoot = this.#named.has('')
    return { entries, sizeBytes, implicit: [...this.#implicit], namesRoot }
  }

  async #make(entry: TarEntry, signal: AbortSignal): Promise<void> {
    const { path, type } = entry
    const place = bytesOf(path)
    this.#ensureParent(path)
    switch (type) {
      case 'dir':
        this.#tree.makeFolder(place)
        this.#folders.add(path)
        this.#implicit.delete(path)
        this.#named.set(path, entry)
        return
      case 'hardlink':
        // What it says of itself holds for all names of the file.
        this.#tree.makeLink(place, bytesOf(entry.linkPath))
        break
      case 'reg':
        await this.#makeFile(place, entry, signal)
        break
      case 'symlink':
        this.#tree.makeSymlink(place, entry.linkName)
        break
      default:
        this.#tree.makeNode(place, type, entry.devMajor, entry.devMinor)
    }
    this.#tree.setAttributes(place, attributesOf(entry))
  }

  async #makeFile(place: Buffer, entry: TarEntry, signal: AbortSignal): Promise<void> {
    const file = this.#tree.makeFile(place)
    try {
      const runs = entry.sparse ?? [{ offset: 0, bytes: entry.payloadBytes }]
      let stored = entry.payloadOffset
      for (const run of runs) {
        for (let done = 0; done < run.bytes; ) {
          signal.throwIfAborted()
          const piece = this.#buffer.subarray(0, Math.min(COPY_BYTES, run.bytes - done))
          await this.#layer.readInto(piece, stored)
          writeWhole(file, piece, run.offset + done)
          stored += piece.length
          done += piece.length
        }
      }
      if (entry.sparse !== undefined) ftruncateSync(file, entry.sizeBytes)
    } finally {
      closeSync(file)
    }
  }

  #ensureParent(path: PathKey): void {
    const parent = parentPath(path)
    if (parent === undefined || this.#folders.has(parent)) return
    this.#ensureParent(parent)
    const place = bytesOf(parent)
    if (!this.#tree.isFolder(place)) {
      this.#tree.makeFolder(place)
      this.#implicit.add(parent)
    }
    this.#folders.add(parent)
  }

  #hide(path: PathKey, present: ReadonlyMap<PathKey, TarEntry['type']>): void {
    const name = nameOf(path)
    const parent = parentPath(path) ?? ''
    if (name === OPAQUE_NAME) {
      this.#ensureParent(path)
      this.#opaque.add(parent)
      return
    }
    const hidden = name.slice(WHITEOUT_PREFIX.length)
    if (name.startsWith(AUFS_PREFIX) || ['', '.', '..'].includes(hidden)) return
    const target = parent === '' ? hidden : `${parent}/${hidden}`
    const type = present.get(target)
    if (type === 'dir' || this.#folders.has(target)) this.#opaque.add(target)
    if (type !== undefined || this.#folders.has(target)) return
    this.#ensureParent(target)
    this.#tree.makeNode(bytesOf(target), 'char', 0, 0)
  }

  /** The innermost first: whatever is made in a folder changes its time. */
  #finishFolders(): void {
    const paths = new Set([...this.#named.keys(), ...this.#implicit, ...this.#opaque])
    for (const path of [...paths].sort((one, other) => other.length - one.length)) {
      const entry = this.#named.get(path)
      const attributes =
        entry === undefined
          ? { ...((path === '' ? undefined : this.#lookBelow(path)) ?? newFolder()), xattrs: [] }
          : attributesOf(entry)
      const marks = this.#opaque.has(path) ? [OPAQUE] : []
      this.#tree.setAttributes(bytesOf(path), { ...attributes, xattrs: [...attributes.xattrs, ...marks] })
    }
  }
}

function attributesOf(entry: TarEntry): Attributes {
  return {
    uid: entry.uid,
    gid: entry.gid,
    mode: entry.mode,
    mtime: entry.mtimeNanoseconds,
    xattrs: entry.xattrs
      .filter(({ name }) => !OVERLAY_XATTR.test(name))
      .map(({ name, value }) => [name, value]),
  }
}

/** One that nobody says anything of. */
function newFolder(): FolderFacts {
  return { uid: 0, gid: 0, mode: 0o755, mtime: BigInt(Date.now()) * 1_000_000n }
}

function nameOf(path: PathKey): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function writeWhole(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, position + done)
}

/**
 * A file system made below a folder, as its root: links and `..` in paths are resolved inside it by the kernel, so that
 * nothing outside is reached. @see openat2(2), RESOLVE_IN_ROOT
 */
import { closeSync, constants, openSync } from 'node:fs'
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

interface UnpackBinding {
  isFolder(root: number, path: Buffer): boolean
  makeFolder(root: number, path: Buffer): void
  makeFile(root: number, path: Buffer): number
  makeSymlink(root: number, path: Buffer, target: Buffer): void
  makeLink(root: number, path: Buffer, target: Buffer): void
  makeNode(root: number, path: Buffer, type: number, major: number, minor: number): void
  setAttributes(
    root: number,
    path: Buffer,
    uid: number,
    gid: number,
    mode: number,
    mtime: bigint,
    xattrs: readonly (readonly [string, Buffer])[],
  ): void
  folderFacts(root: number, path: Buffer): FolderFacts | null | undefined
}

export interface FolderFacts {
  uid: number
  gid: number
  /** Permission and set-id bits. */
  mode: number
  /** Nanoseconds since the epoch. */
  mtime: bigint
}

export interface Attributes extends FolderFacts {
  xattrs: readonly (readonly [name: string, value: Buffer])[]
}

const TYPE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const

/** Paths are relative to its root, without leading slash; the root is empty. What is in the way of an entry goes. */
export class FolderTree {
  readonly #root: number
  readonly #path: string

  /** @throws NodeJS errors of open(2) */
  constructor(path: string) {
    this.#path = path
    this.#root = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  }

  close(): void {
    closeSync(this.#root)
  }

  /** Also where links lead to one. */
  isFolder(path: Buffer): boolean {
    return this.#call(path, (native) => native.isFolder(this.#root, path))
  }

  /** One that is there stays. @throws {NativeError} ENTRY_FAILED, as every method */
  makeFolder(path: Buffer): void {
    this.#call(path, (native) => native.makeFolder(this.#root, path))
  }

  /** @returns a descriptor for writing, the caller's to close */
  makeFile(path: Buffer): number {
    return this.#call(path, (native) => native.makeFile(this.#root, path))
  }

  makeSymlink(path: Buffer, target: Buffer): void {
    this.#call(path, (native) => native.makeSymlink(this.#root, path, target))
  }

  /** @param target path of what is there already */
  makeLink(path: Buffer, target: Buffer): void {
    this.#call(path, (native) => native.makeLink(this.#root, path, target))
  }

  makeNode(path: Buffer, type: keyof typeof TYPE_BITS, major: number, minor: number): void {
    this.#call(path, (native) => native.makeNode(this.#root, path, TYPE_BITS[type], major, minor))
  }

  /** Of a symbolic link the mode does not count: it has none. */
  setAttributes(path: Buffer, { uid, gid, mode, mtime, xattrs }: Attributes): void {
    this.#call(path, (native) => native.setAttributes(this.#root, path, uid, gid, mode, mtime, xattrs))
  }

  /** Of a folder that no link leads to; undefined where nothing is, null where something else is, or on the way there. */
  folderFacts(path: Buffer): FolderFacts | null | undefined {
    return this.#call(path, (native) => native.folderFacts(this.#root, path))
  }

  #call<T>(path: Buffer, call: (native: UnpackBinding) => T): T {
    return orNativeError('ENTRY_FAILED', `cannot make "${path}" in ${this.#path}`, 'that needs root', () =>
      call(loadAddon<UnpackBinding>()),
    )
  }
}

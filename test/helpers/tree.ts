/** A file system as plain facts, to be compared; collected by Python, which reads every attribute a layer can set. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../../test/helpers/tree.py', import.meta.url))

/** Of one entry; absent where its type has none. Bytes of names are Latin-1. */
export interface TreeEntry {
  path: string
  type: 'reg' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'
  /** Octal, with set-id and sticky bits. */
  mode: string
  uid: number
  gid: number
  /** Nanoseconds, or `unpacking`: a time that no layer has given. */
  mtime: string
  size?: number
  sha256?: string
  target?: string
  /** major:minor */
  device?: string
  /** The first name of the same inode, for everything of more than one name. */
  sameFileAs?: string
  /** Values in hex. */
  [xattr: `xattr ${string}`]: string
}

/** @param unpackedSince modification times from then on are those of the unpacking */
export function readTree(folder: string, unpackedSince: Date): TreeEntry[] {
  const json = execFileSync('python3', [SCRIPT, folder, String(unpackedSince.getTime() / 1000)], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  return JSON.parse(json)
}

/** Names of tar entries as clean keys. Names are bytes; nothing here decodes them. */
import type { PathKey } from './entry.ts'

/** A part that a clean path has not: empty, `.` or `..`. */
const UNCLEAN_PART = /(?:^|\/)\.{0,2}(?:\/|$)/

/** Leading `/` and `./`, doubled and trailing slashes go; a `..` that would climb above the root stays at it. */
export function cleanPath(name: Buffer): PathKey {
  const text = name.toString('latin1')
  const path = text.endsWith('/') ? text.slice(0, -1) : text
  if (path === '' || !UNCLEAN_PART.test(path)) return path
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** Key of the parent directory; of the root, undefined. */
export function parentPath(path: PathKey): PathKey | undefined {
  if (path === '') return undefined
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

/** The parents of a path from the root down, without the path itself. */
export function parentPaths(path: PathKey): PathKey[] {
  const parents: PathKey[] = []
  for (let parent = parentPath(path); parent !== undefined; parent = parentPath(parent))
    parents.unshift(parent)
  return parents
}

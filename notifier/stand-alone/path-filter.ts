/** --include and --exclude: which paths are listed. */
import { resolve } from 'node:path'

export type PathFilter = (path: Buffer) => boolean

/** One pattern; the path is latin1, one character per byte. */
export type Glob = (path: string) => boolean

/** A path is taken where it matches one of `include` (or there is none) and none of `exclude`. */
export function pathFilter(include: readonly Glob[], exclude: readonly Glob[]): PathFilter {
  return (path) => {
    const text = path.toString('latin1')
    if (matchesAny(exclude, text)) return false
    return include.length === 0 || matchesAny(include, text)
  }
}

function matchesAny(globs: readonly Glob[], path: string): boolean {
  return globs.some((matches) => matches(path))
}

/**
 * Without a slash a pattern is matched against the last part of a path, else against all of it: as it is when it begins
 * with a slash or `**`, made absolute by `resolveHere` otherwise. One that has no wildcard, or ends with a slash, takes
 * what is below, too.
 * @throws {SyntaxError} of a set whose range is out of order
 */
export function parseGlob(glob: string, resolveHere: (path: string) => string): Glob {
  // One byte per character on both sides, so that names which are not UTF-8 match `*` like all others.
  const bytes = (text: string) => Buffer.from(text).toString('latin1')
  if (!glob.includes('/')) {
    const name = new RegExp(`^${globSource(bytes(glob))}$`, 's')
    return (path) => name.test(path.slice(path.lastIndexOf('/') + 1))
  }
  const absolute = glob.startsWith('/') || glob.startsWith('**') ? glob : resolveGlob(glob, resolveHere)
  const below = glob.endsWith('/') ? '.*' : hasWildcard(glob) ? '' : '(?:/.*)?'
  const pattern = new RegExp(`^${globSource(bytes(absolute))}${below}$`, 's')
  return (path) => pattern.test(path)
}

function resolveGlob(glob: string, resolveHere: (path: string) => string): string {
  const here = resolveHere('.').replace(/[\\*?[]/g, '\\$&')
  return resolve(here, glob) + (glob.endsWith('/') ? '/' : '')
}

function hasWildcard(glob: string): boolean {
  return /[*?[]/.test(glob.replace(/\\./gs, ''))
}

/** `**` any characters, `*` any but a slash, `?` one character (of UTF-8), `[a-z]` or `[!a-z]` one of a set, `\\` quotes. */
function globSource(glob: string): string {
  const parts = /\*\*\/?|\*|\?|\[!?\]?[^\]]*\]|\\?[\s\S]/g
  return (glob.match(parts) ?? []).map(partSource).join('')
}

const ONE_CHARACTER = '(?:[^/\\x80-\\xff]|[\\xc2-\\xf4][\\x80-\\xbf]+|[\\x80-\\xff])'

function partSource(part: string): string {
  if (part === '**/') return '(?:.*/)?'
  if (part === '**') return '.*'
  if (part === '*') return '[^/]*'
  if (part === '?') return ONE_CHARACTER
  if (part.length > 1 && part.startsWith('[')) {
    const negated = part[1] === '!'
    const set = part.slice(negated ? 2 : 1, -1).replaceAll(/[\\\]^[]/g, '\\$&')
    return `(?!/)[${negated ? '^' : ''}${set}]`
  }
  return part.slice(-1).replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}

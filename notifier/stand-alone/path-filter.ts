/** --include and --exclude: which paths are listed. */

export type PathFilter = (path: Buffer) => boolean

/**
 * A path is taken where it matches one of `include` (or there is none) and none of `exclude`.
 * A pattern without a slash is matched against the last part of the path, any other against all of it.
 */
export function pathFilter(include: readonly string[], exclude: readonly string[]): PathFilter {
  const included = include.map(globMatcher)
  const excluded = exclude.map(globMatcher)
  return (path) => {
    const text = path.toString('latin1')
    if (excluded.some((matches) => matches(text))) return false
    return included.length === 0 || included.some((matches) => matches(text))
  }
}

/** One byte per character on both sides, so that names which are not UTF-8 match `*` like all others. */
function globMatcher(glob: string): (path: string) => boolean {
  const pattern = new RegExp(`^${globSource(Buffer.from(glob).toString('latin1'))}$`, 's')
  if (glob.includes('/')) return (path) => pattern.test(path)
  return (path) => pattern.test(path.slice(path.lastIndexOf('/') + 1))
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

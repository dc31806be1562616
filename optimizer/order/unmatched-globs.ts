/** Globs of what is left out that leave nothing out: mostly written wrongly. */
import type { Log } from '../../shared/log.ts'
import type { IndexedEntry } from '../record/layer-index.ts'
import type { PathKey } from '../tar/entry.ts'
import { pathMatcher } from './prefetch-list.ts'

/** How many are named. */
const NAMED_MAX = 10

export interface UnmatchedGlob {
  glob: string
  /** It names a folder, which is not what is in the folder. */
  isFolder: boolean
}

/**
 * @param wanted paths that were to come first; one of them mostly has a match
 * @param entries everything of the image
 */
export function unmatchedGlobs(
  globs: readonly string[],
  wanted: readonly PathKey[],
  entries: () => Iterable<IndexedEntry>,
): UnmatchedGlob[] {
  return globs.flatMap((glob) => {
    const matches = pathMatcher([glob])
    if (wanted.some(matches)) return []
    const isIn = pathMatcher([folderOf(glob)])
    let isFolder = false
    for (const { path, type } of entries()) {
      if (type === 'dir') isFolder ||= isIn(path)
      else if (matches(path)) return []
    }
    return { glob, isFolder }
  })
}

/** @param nameOf what a glob is called: `--exclude`, `line 3 of the prefetch list` */
export function warnOfUnmatched(
  unmatched: readonly UnmatchedGlob[],
  log: Log,
  nameOf: (glob: string) => string,
): void {
  for (const { glob, isFolder } of unmatched.slice(0, NAMED_MAX))
    log.warn(
      isFolder
        ? `${nameOf(glob)} leaves nothing out: ${glob} is a folder, ${folderOf(glob)}/** is what is in it`
        : `${nameOf(glob)} leaves nothing out: no file of the image is ${glob}`,
    )
  const rest = unmatched.length - NAMED_MAX
  if (rest > 0) log.warn(`and so do ${rest} more`)
}

function folderOf(glob: string): string {
  return glob.replace(/\/+$/, '')
}

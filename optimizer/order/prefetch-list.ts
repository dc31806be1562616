/** A list by hand of what comes first: paths and globs, one a line. @see docs/prefetch-list.md */
import picomatch from 'picomatch'
import type { LayerIndex, Located } from '../record/layer-index.ts'
import { type WantedFile, WantedFiles } from '../record/wanted-files.ts'
import type { PathKey } from '../tar/entry.ts'
import { cleanPath } from '../tar/path-key.ts'

export interface PrefetchList {
  /** In file order. */
  wanted: ListLine[]
  /** Globs of what the other lines name and that is left out all the same; without `!`. */
  excluded: ListLine[]
}

export interface ListLine {
  /** In the file, from 1. */
  line: number
  /** As written, without `/` at the start. */
  text: string
}

export interface ListedFiles {
  /** What to put first, in order. */
  wanted: WantedFile[]
  /** What a line of the list leaves out, and another one names. */
  excluded: WantedFile[]
  /** Lines that name nothing of the image. */
  unknown: ListLine[]
}

export function parsePrefetchList(text: string): PrefetchList {
  const list: PrefetchList = { wanted: [], excluded: [] }
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const isExclusion = line.startsWith('!')
    const pattern = cleanPattern(isExclusion ? line.slice(1).trim() : line)
    // What is left without a pattern names nothing, and is told as such.
    if (isExclusion && pattern !== '') list.excluded.push({ line: index + 1, text: pattern })
    else list.wanted.push({ line: index + 1, text: pattern === '' ? line : pattern })
  }
  return list
}

/**
 * The list looked up in the merged file system: a file is wanted where a container would find it. A plain path wins
 * over a glob of the same text, and takes the symbolic links along that lead to its file.
 */
export function listedFiles(list: PrefetchList, index: LayerIndex, layerCount: number): ListedFiles {
  const wanted = new WantedFiles(layerCount)
  const excluded: WantedFile[] = []
  const unknown: ListLine[] = []
  const isExcluded = pathMatcher(list.excluded.map(({ text }) => text))
  let files: Located[] | undefined
  for (const item of list.wanted) {
    const plain = index.trace(pathOf(item.text))
    // Sorted once, and only when there is a glob: matches of one glob come in path order.
    if (plain.length === 0) files ??= sortedFiles(index)
    const found = plain.length > 0 ? plain : matching(item.text, files ?? [])
    if (found.length === 0) unknown.push(item)
    for (const { layerIndex, entry } of found) {
      const { path } = entry
      if (isExcluded(path)) excluded.push({ layerIndex, path })
      else wanted.add(layerIndex, path)
    }
  }
  return { wanted: wanted.all, excluded, unknown }
}

function sortedFiles(index: LayerIndex): Located[] {
  return [...index.located()]
    .filter(({ entry }) => entry.type !== 'dir')
    .sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1))
}

function matching(pattern: string, files: readonly Located[]): Located[] {
  const matches = pathMatcher([pattern])
  return files.filter(({ entry }) => matches(entry.path))
}

/** `*`, `?`, `[]` and `[!]` within one directory, `**` across; names that begin with a dot like any other. */
export function pathMatcher(patterns: readonly string[]): (path: PathKey) => boolean {
  if (patterns.length === 0) return () => false
  const matches = picomatch([...patterns], {
    dot: true,
    nonegate: true,
    noextglob: true,
    nobrace: false,
    posix: true,
  })
  return (path) => matches(textOf(path))
}

/** As it is written on a line or in an option: without `/` or `./` at its start. */
export function cleanPattern(text: string): string {
  return text.replace(/^(?:\.?\/)+/, '')
}

function pathOf(text: string): PathKey {
  return cleanPath(Buffer.from(text))
}

/** Names that are not UTF-8 can be matched by globs alone. */
function textOf(path: PathKey): string {
  return Buffer.from(path, 'latin1').toString()
}

/**
 * One entry per name. Who unpacks a tar in order sees the last entry of a name; who reads a TOC finds entries by
 * name. So of duplicates only the last is kept, at its place, and what that would change elsewhere is mended: a hard
 * link means the content its target had when the link was made, and a file that takes a directory's name takes the
 * directory's content away.
 */
import type { PathKey, TarEntry } from './entry.ts'
import { encodeHeader } from './generate.ts'
import { FLAG } from './header.ts'
import { parentPath } from './path-key.ts'
import { type PaxRecord, XATTR_PREFIX } from './pax.ts'

/** @returns the entries that stay, numbered anew, and how many are gone */
export function keepLastOfName(entries: readonly TarEntry[]): { entries: TarEntry[]; dropped: number } {
  const live = new Map<PathKey, TarEntry>()
  /** What a hard link meant when it was made. */
  const meant = new Map<TarEntry, TarEntry>()
  /** Where a file took a directory's name last. */
  const replacedAt = new Map<PathKey, number>()
  for (const entry of entries) {
    const target = entry.type === 'hardlink' ? live.get(entry.linkPath) : undefined
    if (target !== undefined) meant.set(entry, meant.get(target) ?? target)
    const before = live.get(entry.path)
    if (before?.type === 'dir' && entry.type !== 'dir') replacedAt.set(entry.path, entry.index)
    live.set(entry.path, entry)
  }
  const stays = entries.filter((entry) => live.get(entry.path) === entry && !isReplaced(entry, replacedAt))
  const dropped = entries.length - stays.length
  const kept = dropped === 0 ? stays : mendLinks(stays, meant)
  for (const [index, entry] of kept.entries()) entry.index = index
  return { entries: kept, dropped }
}

function isReplaced(entry: TarEntry, replacedAt: ReadonlyMap<PathKey, number>): boolean {
  if (replacedAt.size === 0) return false
  for (let parent = parentPath(entry.path); parent !== undefined; parent = parentPath(parent)) {
    if ((replacedAt.get(parent) ?? -1) > entry.index) return true
  }
  return false
}

/** Hard links whose target's name now means something else get the content they meant. */
function mendLinks(stays: TarEntry[], meant: ReadonlyMap<TarEntry, TarEntry>): TarEntry[] {
  const byPath = new Map(stays.map((entry) => [entry.path, entry]))
  /** Dropped entry → the link that took over its content. */
  const heirs = new Map<TarEntry, TarEntry>()
  return stays.map((entry) => {
    const content = meant.get(entry)
    if (content === undefined || targetOf(entry, byPath) === content) return entry
    const target = byPath.get(content.path) === content ? content : heirs.get(content)
    const mended = target === undefined ? inherit(entry, content) : relink(entry, target)
    if (target === undefined) heirs.set(content, mended)
    return mended
  })
}

/** The entry that a chain of hard links ends at now. */
function targetOf(link: TarEntry, byPath: ReadonlyMap<PathKey, TarEntry>): TarEntry | undefined {
  const seen = new Set<TarEntry>()
  let entry: TarEntry | undefined = link
  while (entry?.type === 'hardlink' && !seen.has(entry)) {
    seen.add(entry)
    entry = byPath.get(entry.linkPath)
  }
  return entry
}

/** The dropped entry under the link's name. */
function inherit(link: TarEntry, content: TarEntry): TarEntry {
  const { path, name } = link
  return { ...content, path, name, replacementHeader: headerOf({ ...content, name }) }
}

function relink(link: TarEntry, target: TarEntry): TarEntry {
  const linkName = target.name
  return { ...link, linkName, linkPath: target.path, replacementHeader: headerOf({ ...link, linkName }) }
}

const FLAG_OF_TYPE: Record<TarEntry['type'], string> = {
  reg: FLAG.reg,
  dir: FLAG.dir,
  symlink: FLAG.symlink,
  hardlink: FLAG.link,
  char: FLAG.char,
  block: FLAG.block,
  fifo: FLAG.fifo,
}

function headerOf(entry: TarEntry): Buffer {
  const records: PaxRecord[] = entry.xattrs.map(({ name, value }) => ({ key: XATTR_PREFIX + name, value }))
  return encodeHeader({ ...entry, flag: FLAG_OF_TYPE[entry.type] }, records)
}

/** Files of a layer that has not been converted yet, in the order that it would get. */
import type { HotZone } from '../estargz/hot-zone.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import type { FileAnalysis } from './analysis.ts'
import { compressedShares } from './compressed-shares.ts'
import { textOf } from './paths.ts'

/** @param paths what is to come first; @param zone measured for them */
export function filesOfTar(
  entries: readonly TarEntry[],
  paths: readonly PathKey[],
  zone: HotZone,
): FileAnalysis[] {
  const { prioritized, rest } = orderEntries(entries, paths)
  const links = linksOf(entries)
  const shares = compressedShares([...zone.chunks.values()].flat())
  const analysed = (hot: boolean) => (entry: TarEntry) => {
    const chunks = hot ? (zone.chunks.get(entry) ?? []) : null
    return {
      path: textOf(entry.path),
      sizeBytes: entry.sizeBytes,
      hot,
      links: (links.get(entry.path) ?? []).map(textOf),
      chunks,
      compressedBytes: chunks === null ? null : shares(chunks),
      access: null,
    }
  }
  const isFile = ({ type }: TarEntry) => type === 'reg'
  return [...prioritized.filter(isFile).map(analysed(true)), ...rest.filter(isFile).map(analysed(false))]
}

/** Other names of regular files: hard links, also those to hard links. */
function linksOf(entries: readonly TarEntry[]): Map<PathKey, PathKey[]> {
  const targets = new Map<PathKey, PathKey>()
  for (const { type, path, linkPath } of entries) if (type === 'hardlink') targets.set(path, linkPath)
  const links = new Map<PathKey, PathKey[]>()
  for (const path of targets.keys()) {
    const target = endOf(path, targets)
    if (target === undefined) continue
    const names = links.get(target) ?? []
    links.set(target, names)
    names.push(path)
  }
  return links
}

/** undefined where a chain bites its tail. */
function endOf(path: PathKey, targets: ReadonlyMap<PathKey, PathKey>): PathKey | undefined {
  const seen = new Set<PathKey>()
  let end = path
  for (let next = targets.get(end); next !== undefined; next = targets.get(end)) {
    if (seen.has(end)) return undefined
    seen.add(end)
    end = next
  }
  return end
}

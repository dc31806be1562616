/** Files of a layer that has not been converted yet, in the order that it would get. */
import type { HotZone } from '../estargz/hot-zone.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import type { FileAnalysis } from './analysis.ts'
import { compressedShares } from './compressed-shares.ts'
import { otherNames } from './other-names.ts'
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

function linksOf(entries: readonly TarEntry[]): Map<PathKey, PathKey[]> {
  const links = entries.filter(({ type }) => type === 'hardlink')
  return otherNames(new Map(links.map(({ path, linkPath }) => [path, linkPath])))
}

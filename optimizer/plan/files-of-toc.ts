/** Files of a finished layer, as its table of contents tells them. */
import { chunksOf, type LayerToc } from '../estargz/reader.ts'
import type { TocEntry } from '../estargz/toc.ts'
import { isFormatEntry } from '../tar/format-names.ts'
import type { ChunkPlace, FileAnalysis } from './analysis.ts'
import { compressedShares } from './compressed-shares.ts'
import { otherNames } from './other-names.ts'
import { cleanText } from './paths.ts'

export interface TocFiles {
  files: FileAnalysis[]
  hotZoneBytes: number
}

/**
 * @param isRead of layers without a landmark, where no client fetches anything ahead: those that a record names are first as far
 * as the files at the layer's beginning are all of them
 * @throws {TocError} CHUNKS_INCONSISTENT
 */
export function filesOfToc(found: LayerToc, isRead: (path: string) => boolean): TocFiles {
  const { entries } = found.toc
  const places = placesByName(found)
  const shares = compressedShares([...places.values()].flat())
  const links = linksOf(entries)
  const isHot = hotIn(found, (path) => [path, ...(links.get(path) ?? [])].some(isRead))
  const files = entries.flatMap((entry, index): FileAnalysis[] => {
    const path = cleanText(entry.name)
    if (entry.type !== 'reg' || isFormatEntry(path)) return []
    const chunks = places.get(entry.name) ?? []
    return [
      {
        path,
        sizeBytes: entry.size ?? 0,
        hot: isHot(entry, index),
        links: links.get(path) ?? [],
        chunks,
        compressedBytes: shares(chunks),
        access: null,
      },
    ]
  })
  return { files, hotZoneBytes: hotZoneBytes(found, files) }
}

function hotIn(
  { landmark, format, toc }: LayerToc,
  isRead: (path: string) => boolean,
): (entry: TocEntry, index: number) => boolean {
  if (landmark?.kind === 'prefetch') return (_, index) => index < landmark.index
  if (landmark !== undefined || format !== 'zstdchunked-containers') return () => false
  const isFirst = ({ name, type }: TocEntry) => type !== 'reg' || isRead(cleanText(name))
  const end = toc.entries.findIndex((entry) => entry.type !== 'chunk' && !isFirst(entry))
  return (_, index) => end < 0 || index < end
}

function hotZoneBytes({ landmark }: LayerToc, files: readonly FileAnalysis[]): number {
  if (landmark !== undefined) return landmark.kind === 'prefetch' ? landmark.offset : 0
  const ends = files.flatMap(({ hot, chunks }) =>
    hot ? (chunks ?? []).map(({ offset, memberBytes }) => offset + memberBytes) : [],
  )
  return ends.reduce((end, each) => Math.max(end, each), 0)
}

function placesByName(found: LayerToc): Map<string, ChunkPlace[]> {
  const places = new Map<string, ChunkPlace[]>()
  for (const { name, chunkOffset, chunkBytes, offset, memberBytes, innerOffset } of chunksOf(found)) {
    const chunks = places.get(name) ?? []
    places.set(name, chunks)
    chunks.push({ chunkOffset, chunkBytes, offset, memberBytes, innerOffset })
  }
  return places
}

function linksOf(entries: readonly TocEntry[]): Map<string, string[]> {
  const links = entries.filter(({ type }) => type === 'hardlink')
  return otherNames(new Map(links.map(({ name, linkName = '' }) => [cleanText(name), cleanText(linkName)])))
}

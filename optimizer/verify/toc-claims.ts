/** What a TOC says of its layer, arranged so that it can be held against the tar that passes by. */
import type { LayerToc } from '../estargz/reader.ts'
import type { TocEntry } from '../estargz/toc.ts'
import type { PathKey } from '../tar/entry.ts'
import { cleanPath } from '../tar/path-key.ts'
import { FORMAT_RULES } from './lazy-format.ts'
import { Queues } from './queues.ts'
import type { Claims } from './scan.ts'

/** An entry of the TOC with its further chunks. */
export interface TocItem {
  /** Position among the TOC's entries. */
  index: number
  key: PathKey
  entry: TocEntry
  chunks: TocEntry[]
}

/** A piece of a file. */
export interface TocChunk {
  /** Compressed offset of its member or frame; in that, uncompressed, its first byte. */
  offset: number
  innerOffset: number
  /** Compressed offset at which its frame ends, or the file's last; undefined where the TOC does not say. */
  endOffset: number | undefined
  chunkOffset: number
  chunkBytes: number
  chunkDigest: string | undefined
}

/** Names as a TOC shows them: of a tar name that is not UTF-8 what is left of it. */
export function tocKey(name: string): PathKey {
  return cleanPath(Buffer.from(name, 'utf8'))
}

/** Chunks without a file before them are items by themselves. */
export function tocItems({ toc }: Pick<LayerToc, 'toc'>): TocItem[] {
  const items: TocItem[] = []
  for (const [index, entry] of toc.entries.entries()) {
    const file = items.at(-1)
    if (entry.type === 'chunk' && file?.entry.type === 'reg' && file.entry.name === entry.name) {
      file.chunks.push(entry)
    } else items.push({ index, key: tocKey(entry.name), entry, chunks: [] })
  }
  return items
}

/** A file's pieces; what the TOC leaves out is filled in: without a size, a piece goes to the end of the file. */
export function chunksOf({ entry, chunks }: TocItem): TocChunk[] {
  const fileBytes = entry.size ?? 0
  if (entry.type !== 'reg' || fileBytes === 0) return []
  return [entry, ...chunks].map((piece, index) => {
    const { offset = 0, innerOffset = 0, chunkOffset = 0, chunkSize = 0 } = piece
    const only = index === 0 && chunks.length === 0
    return {
      offset,
      innerOffset,
      endOffset: piece.endOffset ?? undefined,
      chunkOffset,
      chunkBytes: chunkSize === 0 ? fileBytes - chunkOffset : chunkSize,
      chunkDigest: piece.chunkDigest ?? (only ? piece.digest : undefined),
    }
  })
}

/** From front to back without a gap. */
export function covers(chunks: readonly TocChunk[], fileBytes: number): boolean {
  let end = 0
  for (const { chunkOffset, chunkBytes } of chunks) {
    if (chunkOffset !== end || chunkBytes <= 0) return false
    end += chunkBytes
  }
  return end === fileBytes
}

/** Claims beyond the content are none: they are told when the TOC is compared. */
export function claimsOf(found: LayerToc, items: readonly TocItem[]): Claims {
  const { compression } = FORMAT_RULES[found.format]
  const starts = new Set([0, found.contentBytes])
  const cut: { key: PathKey; lengths: number[] }[] = []
  for (const item of items) {
    const chunks = chunksOf(item)
    for (const { offset, endOffset = offset } of chunks) starts.add(offset).add(endOffset)
    if (chunks.length < 2 || !covers(chunks, item.entry.size ?? 0)) continue
    cut.push({ key: item.key, lengths: chunks.map(({ chunkBytes }) => chunkBytes) })
  }
  return {
    compression,
    starts: [...starts].filter((start) => start <= found.contentBytes).sort((a, b) => a - b),
    chunkBytes: () => {
      const waiting = new Queues<number[]>()
      for (const { key, lengths } of cut) waiting.add(key, lengths)
      // A tar that is as it was may have more entries of the name: the last one is meant.
      return (entry) => waiting.takeOrLast(tocKey(entry.name.toString('utf8'))) ?? []
    },
  }
}

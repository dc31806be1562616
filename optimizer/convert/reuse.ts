/** A layer that is in the wanted form already: kept byte for byte, its annotations made anew where they were lost. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import { TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from '../estargz/estargz-format.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import { type LayerToc, readToc } from '../estargz/reader.ts'
import { type TocEntry, TocError } from '../estargz/toc.ts'
import { stargzAnnotations } from '../estargz/zstd-annotations.ts'
import { digestOf } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { copyBlob } from './copy-blob.ts'
import { type ConvertedLayer, keptAnnotations, UNCOMPRESSED_LABEL } from './layer.ts'

export interface ReuseRequest {
  from: ContentStore
  content: ContentStore
  layer: OpenedLayer
  index: number
  /** null: any order is the wanted one. */
  wanted: readonly PathKey[] | null
  /** The wanted one. */
  format: BlobFormat
}

/** A regular file or a chunk that the TOC describes, and what it is a part of. */
interface TocFile {
  entry: TarEntry
  chunks: TocEntry[]
}

/**
 * Kept are layers of eStargz and of zstd:chunked as the snapshotter has it, whose TOC names exactly the tar's entries, with files cut as they would be now and digests
 * that are right, in the wanted order. The level of compression cannot be seen in bytes and is not asked for.
 * @returns undefined where the layer has to be converted
 */
export async function reuseLayer(request: ReuseRequest): Promise<ConvertedLayer | undefined> {
  const { from, content, layer, index } = request
  const { descriptor, diffId, uncompressedBytes } = layer
  const found = await tocOf(from, layer)
  if (found?.format !== request.format.name || !isWhole(layer, found)) return undefined
  const files = filesOf(layer, found)
  const prioritized = files === undefined ? undefined : prioritizedCount(request, found)
  if (files === undefined || prioritized === undefined) return undefined
  if (!files.every((file) => isCutAs(file, request.format)) || !(await digestsHold(layer, files)))
    return undefined

  await copyBlob(from, content, descriptor, { [UNCOMPRESSED_LABEL]: diffId })
  const first = layer.entries.slice(0, prioritized).filter((entry) => entry.type === 'reg')
  const { digest, size } = descriptor
  return {
    index,
    source: descriptor,
    target: {
      mediaType: request.format.mediaType,
      digest,
      size,
      annotations: {
        ...keptAnnotations(descriptor),
        [TOC_DIGEST_ANNOTATION]: found.tocDigest,
        [UNCOMPRESSED_SIZE_ANNOTATION]: String(uncompressedBytes),
        ...(found.frames === undefined ? {} : stargzAnnotations(found.frames)),
      },
    },
    diffId,
    tocDigest: found.tocDigest,
    externalToc: null,
    reused: true,
    uncompressedBytes,
    entries: layer.entries.length,
    prioritizedFiles: first.length,
    prioritizedBytes: first.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    hotZoneBytes: found.landmark?.kind === 'prefetch' ? found.landmark.offset : 0,
    missing: orderEntries(layer.entries, request.wanted ?? []).missing,
    notes: layer.notes,
  }
}

async function tocOf(from: ContentStore, { descriptor }: OpenedLayer): Promise<LayerToc | undefined> {
  const read = async (offsetBytes: number, lengthBytes: number) => {
    const pieces: Buffer[] = []
    for await (const piece of from.read(descriptor.digest, { offsetBytes, lengthBytes })) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  try {
    return await readToc(read, descriptor.size)
  } catch (error) {
    if (error instanceof TocError) return undefined
    throw error
  }
}

/** Its landmark and TOC there once, nothing that a conversion would change, no promise of another TOC. */
function isWhole({ notes, descriptor }: OpenedLayer, found: LayerToc): boolean {
  const { formatEntries, ...changes } = notes
  const promised = descriptor.annotations?.[TOC_DIGEST_ANNOTATION] ?? found.tocDigest
  return (
    found.landmark !== undefined &&
    promised === found.tocDigest &&
    // In zstd:chunked the TOC is no entry of the tar.
    formatEntries === (found.frames === undefined ? 2 : 1) &&
    Object.values(changes).every((count) => count === 0)
  )
}

/** The TOC's entries beside the tar's; undefined where they are not the same, one by one. */
function filesOf(layer: OpenedLayer, { toc, landmark }: LayerToc): TocFile[] | undefined {
  const files: TocFile[] = []
  let next = 0
  for (const [position, row] of toc.entries.entries()) {
    // Its own few bytes are a file like any other, cut and hashed by who made it.
    if (position === landmark?.index) continue
    if (row.type === 'chunk') {
      files.at(-1)?.chunks.push(row)
      continue
    }
    const entry = layer.entries[next++]
    if (entry === undefined || entry.name.toString('utf8') !== row.name || entry.type !== row.type)
      return undefined
    if (entry.type === 'reg' && (row.size ?? 0) !== entry.sizeBytes) return undefined
    files.push({ entry, chunks: entry.type === 'reg' && entry.sizeBytes > 0 ? [row] : [] })
  }
  return next === layer.entries.length ? files : undefined
}

/** How many entries are before the landmark; undefined where others should be, or in another order. */
function prioritizedCount({ layer, wanted }: ReuseRequest, { toc, landmark }: LayerToc): number | undefined {
  const position = toc.entries.slice(0, landmark?.index).filter(({ type }) => type !== 'chunk').length
  const before = landmark?.kind === 'prefetch' ? position : 0
  if (wanted === null) return before
  const { prioritized, rest } = orderEntries(layer.entries, wanted)
  const inOrder = [...prioritized, ...rest].every((entry, i) => entry === layer.entries[i])
  return inOrder && position === prioritized.length && before === position ? before : undefined
}

function isCutAs({ entry, chunks }: TocFile, { chunkBytes, minChunkBytes }: BlobFormat): boolean {
  if (entry.type !== 'reg') return true
  return (
    chunks.length === Math.ceil(entry.sizeBytes / chunkBytes) &&
    chunks.every(
      (chunk, i) =>
        (chunk.chunkOffset ?? 0) === i * chunkBytes &&
        chunk.offset !== undefined &&
        (minChunkBytes > 0 || chunk.innerOffset === undefined) &&
        (i === chunks.length - 1 || chunk.chunkSize === chunkBytes),
    )
  )
}

async function digestsHold(layer: OpenedLayer, files: readonly TocFile[]): Promise<boolean> {
  for (const { entry, chunks } of files) {
    for (const [i, { chunkOffset = 0, chunkDigest }] of chunks.entries()) {
      const end = chunks[i + 1]?.chunkOffset ?? entry.sizeBytes
      const bytes = await layer.read(entry.payloadOffset + chunkOffset, end - chunkOffset)
      if (digestOf(bytes) !== chunkDigest) return false
    }
  }
  return true
}

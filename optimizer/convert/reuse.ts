/** A layer that is in the wanted form already: kept byte for byte, its annotations made anew where they were lost. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import { TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from '../estargz/estargz-format.ts'
import { type Ordering, orderEntries } from '../estargz/prioritize.ts'
import { type LayerToc, type ReadAt, readToc } from '../estargz/reader.ts'
import { TocError } from '../estargz/toc.ts'
import { containersAnnotations, stargzAnnotations } from '../estargz/zstd-annotations.ts'
import type { ZstdFrames } from '../estargz/zstdchunked-reader.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { copyBlob } from './copy-blob.ts'
import { type ConvertedLayer, keptAnnotations, UNCOMPRESSED_LABEL } from './layer.ts'
import { withReadWindow } from './read-window.ts'
import { rowsAreAsWanted } from './reuse-rows.ts'
import { tarSplitIsAsWanted } from './reuse-tar-split.ts'

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

interface Reusable {
  found: LayerToc
  ordering: Ordering
  /** What the layer's descriptor must say of it. */
  annotations: Record<string, string>
}

/**
 * Kept are layers whose TOC says what a conversion would write into it now, of files in the wanted order and cut alike.
 * The level of compression cannot be seen in bytes and is not asked for.
 * @returns undefined where the layer has to be converted
 */
export async function reuseLayer(request: ReuseRequest): Promise<ConvertedLayer | undefined> {
  const { from, content, layer, index, format } = request
  const { descriptor, diffId, uncompressedBytes } = layer
  const reusable = await reusableLayer(request)
  if (reusable === undefined) return undefined
  const { found, ordering } = reusable
  await copyBlob(from, content, descriptor, { [UNCOMPRESSED_LABEL]: diffId })
  const first = ordering.prioritized.filter((entry) => entry.type === 'reg')
  const { digest, size } = descriptor
  return {
    index,
    source: descriptor,
    target: {
      mediaType: format.mediaType,
      digest,
      size,
      annotations: { ...keptAnnotations(descriptor), ...reusable.annotations },
    },
    diffId,
    tocDigest: isForContainers(found) ? found.frames.compressedTocDigest : found.tocDigest,
    externalToc: null,
    reused: true,
    uncompressedBytes,
    entries: layer.entries.length,
    prioritizedFiles: first.length,
    prioritizedBytes: first.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    hotZoneBytes: hotZoneBytes(found, first),
    first: ordering.prioritized,
    missing: ordering.missing,
    // Nothing was left out.
    notes: { ...layer.notes, formatEntries: 0 },
  }
}

/** Cheap checks come first. */
async function reusableLayer(request: ReuseRequest): Promise<Reusable | undefined> {
  const { from, format } = request
  const { descriptor, notes, uncompressedBytes } = request.layer
  if (hasWhatConversionChanges(request.layer)) return undefined
  const layer = withReadWindow(request.layer)
  const read = readerOf(from, descriptor)
  try {
    const found = await readToc(read, descriptor.size)
    if (found?.format !== format.name || notes.formatEntries !== formatEntriesOf(found, format))
      return undefined
    const ordering = orderingOf(request, found)
    const annotations = annotationsOf(found, uncompressedBytes)
    if (ordering === undefined || !promisesNothingElse(descriptor, annotations)) return undefined
    if (!(await rowsAreAsWanted(layer, ordering, format, found))) return undefined
    if (isForContainers(found) && !(await tarSplitIsAsWanted(layer, read, found))) return undefined
    return { found, ordering, annotations }
  } catch (error) {
    if (error instanceof TocError) return undefined
    throw error
  }
}

function hasWhatConversionChanges({ notes, entries }: OpenedLayer): boolean {
  const { formatEntries: _, ...changes } = notes
  return (
    Object.values(changes).some((count) => count > 0) ||
    entries.some(({ replacementHeader }) => replacementHeader !== undefined)
  )
}

type ForContainers = LayerToc & { frames: ZstdFrames }

function isForContainers(found: LayerToc): found is ForContainers {
  return found.format === 'zstdchunked-containers'
}

function readerOf(from: ContentStore, { digest }: Descriptor): ReadAt {
  return async (offsetBytes, lengthBytes) => {
    const pieces: Buffer[] = []
    for await (const piece of from.read(digest, { offsetBytes, lengthBytes })) pieces.push(piece)
    return Buffer.concat(pieces)
  }
}

/** A landmark where the format has one; in zstd:chunked the TOC is no entry of the tar. */
function formatEntriesOf({ frames }: LayerToc, { hasLandmark }: BlobFormat): number {
  return (hasLandmark ? 1 : 0) + (frames === undefined ? 1 : 0)
}

/** The wanted order, where the layer has it. */
function orderingOf(
  { layer, wanted, format }: ReuseRequest,
  { toc, landmark }: LayerToc,
): Ordering | undefined {
  const { entries } = layer
  if (wanted !== null) {
    const ordering = orderEntries(entries, wanted)
    const inOrder = [...ordering.prioritized, ...ordering.rest].every((entry, i) => entry === entries[i])
    return inOrder ? ordering : undefined
  }
  if (!format.hasLandmark) return { prioritized: [], rest: [...entries], missing: [] }
  const before = toc.entries.slice(0, landmark?.index).filter(({ type }) => type !== 'chunk').length
  return { prioritized: entries.slice(0, before), rest: entries.slice(before), missing: [] }
}

function annotationsOf(found: LayerToc, uncompressedBytes: number): Record<string, string> {
  if (isForContainers(found)) return containersAnnotations(found.frames)
  const { tocDigest, frames } = found
  return {
    [TOC_DIGEST_ANNOTATION]: tocDigest,
    [UNCOMPRESSED_SIZE_ANNOTATION]: String(uncompressedBytes),
    ...(frames === undefined ? {} : stargzAnnotations(frames)),
  }
}

/** Annotations may be lost, but not be of another TOC. */
function promisesNothingElse({ annotations = {} }: Descriptor, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => (annotations[key] ?? value) === value)
}

/** @param first the files that come first */
function hotZoneBytes(found: LayerToc, first: readonly TarEntry[]): number {
  const { landmark, toc } = found
  if (!isForContainers(found)) return landmark?.kind === 'prefetch' ? landmark.offset : 0
  const names = new Set(first.map(({ name }) => name.toString('utf8')))
  const rows: { name: string; endOffset?: number }[] = toc.entries
  return rows.reduce((end, { name, endOffset = 0 }) => (names.has(name) ? Math.max(end, endOffset) : end), 0)
}

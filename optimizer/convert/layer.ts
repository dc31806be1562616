/** One opened layer → one blob in the store, and the descriptor that the new manifest has for it. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import type { CompressionPool } from '../estargz/compression-pool.ts'
import { DiffIdError } from '../estargz/lossless.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import { writeBlob } from '../estargz/writer.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { BlobWriter, ContentStore } from '../store/store.ts'
import type { PathKey, TarEntry, TarNotes } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import { type TocLayer, writeTocLayer } from './toc-image.ts'

/** containerd's own: spares it to decompress a blob in order to learn its diff ID. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed'

/** Annotations that describe a blob's bytes, which are not the source's any more. */
const FORMAT_ANNOTATIONS = [
  /^containerd\.io\/snapshot\/(stargz|nydus|overlaybd)/,
  /^io\.containers\.(estargz|zstd-chunked)\./,
  /^io\.github\.containers\.zstd-chunked\./,
]

/** Whether an annotation of a layer describes its bytes. */
export function isFormatAnnotation(key: string): boolean {
  return FORMAT_ANNOTATIONS.some((pattern) => pattern.test(key))
}

export interface ConvertedLayer {
  /** Position in the manifest, 0 = lowest. */
  index: number
  source: Descriptor
  target: Descriptor
  diffId: Digest
  /** null where the format has no TOC. */
  tocDigest: Digest | null
  /** The source's blob, byte for byte. */
  reused: boolean
  /** Where the TOC is when the layer has it not inside. */
  externalToc: TocLayer | null
  /** Of the new blob, TOC included. */
  uncompressedBytes: number
  /** Entries of the layer, without what the format adds. */
  entries: number
  /** Regular files before the landmark, and their content in bytes. */
  prioritizedFiles: number
  prioritizedBytes: number
  /** Compressed bytes before the landmark: what a client fetches first. */
  hotZoneBytes: number
  /** Entries before the landmark, links to these files included, in their order. */
  first: readonly TarEntry[]
  /** Paths that were to come first and are not in this layer. */
  missing: PathKey[]
  notes: TarNotes
}

export interface LayerRequest {
  content: ContentStore
  layer: OpenedLayer
  index: number
  /** In the order to fetch them. */
  prioritized: readonly PathKey[]
  /** null for plain tar as it was. */
  format: BlobFormat | null
  pool: CompressionPool
  /** Names the ingest, unique within this run. */
  ref: string
  signal?: AbortSignal
  /** @param doneBytes uncompressed bytes written so far */
  onProgress?(doneBytes: number): void
}

/** Nothing stays in the store when it throws. */
export async function convertLayer(request: LayerRequest): Promise<ConvertedLayer> {
  const { content, layer, ref } = request
  const writer = await content.writer(ref, layer.descriptor.size)
  try {
    return request.format === null
      ? await copyLayer(request, writer)
      : await writeLayer(request, request.format, writer)
  } catch (error) {
    await writer.abort()
    throw error
  }
}

async function writeLayer(
  request: LayerRequest,
  format: BlobFormat,
  writer: BlobWriter,
): Promise<ConvertedLayer> {
  const { layer, index, pool, signal, onProgress } = request
  if (format.lossless && layer.notes.formatEntries > 0)
    throw new DiffIdError('it has a landmark or a TOC of an earlier conversion')
  const ordering = orderEntries(layer.entries, format.lossless ? [] : request.prioritized)
  const blob = await writeBlob(layer, ordering, pool, writer, {
    format,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  const { digest, sizeBytes, diffId, externalToc: toc } = blob
  if (format.lossless && diffId !== layer.diffId)
    throw new Error(`the diff ID of ${layer.descriptor.digest} became ${diffId}; please report this`)
  await writer.commit({ digest, sizeBytes, labels: { [UNCOMPRESSED_LABEL]: diffId } })
  const externalToc = toc === undefined ? null : await writeTocLayer(request.content, { layer: digest, toc })
  const files = ordering.prioritized.filter((entry) => entry.type === 'reg')
  return {
    index,
    source: layer.descriptor,
    target: {
      mediaType: format.mediaType,
      digest,
      size: sizeBytes,
      annotations: { ...keptAnnotations(layer.descriptor), ...blob.annotations },
    },
    diffId,
    tocDigest: blob.tocDigest,
    reused: false,
    externalToc,
    uncompressedBytes: blob.uncompressedBytes,
    entries: layer.entries.length,
    prioritizedFiles: files.length,
    prioritizedBytes: files.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    hotZoneBytes: blob.hotZoneBytes,
    first: ordering.prioritized,
    missing: ordering.missing,
    notes: layer.notes,
  }
}

const COPY_BYTES = 1024 * 1024

/** The tar as it was: whatever it holds, its digest is the diff ID. */
async function copyLayer(request: LayerRequest, writer: BlobWriter): Promise<ConvertedLayer> {
  const { layer, index, signal, onProgress } = request
  const size = layer.uncompressedBytes
  const counter = new DigestCounter()
  for (let offset = 0; offset < size; offset += COPY_BYTES) {
    signal?.throwIfAborted()
    const piece = await layer.read(offset, Math.min(COPY_BYTES, size - offset))
    counter.update(piece)
    await writer.write(piece)
    onProgress?.(offset + piece.length)
  }
  const digest = counter.digest()
  await writer.commit({ digest, sizeBytes: size, labels: { [UNCOMPRESSED_LABEL]: digest } })
  const annotations = keptAnnotations(layer.descriptor)
  const hasAnnotations = Object.keys(annotations).length > 0
  return {
    index,
    source: layer.descriptor,
    target: { mediaType: MEDIA_TYPE.ociLayer, digest, size, ...(hasAnnotations ? { annotations } : {}) },
    diffId: digest,
    tocDigest: null,
    reused: false,
    externalToc: null,
    uncompressedBytes: size,
    entries: layer.entries.length,
    prioritizedFiles: 0,
    prioritizedBytes: 0,
    hotZoneBytes: 0,
    first: [],
    missing: [],
    notes: layer.notes,
  }
}

/** Other fields of the source's descriptor (urls, data) point at its bytes: only annotations are carried over. */
export function keptAnnotations(source: Descriptor): Record<string, string> {
  const kept = Object.entries(source.annotations ?? {}).filter(([key]) => !isFormatAnnotation(key))
  return Object.fromEntries(kept)
}

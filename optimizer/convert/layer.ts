/** One opened layer → one eStargz blob in the store, and the descriptor that the new manifest has for it. */
import type { CompressionPool } from '../estargz/compression-pool.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import { type WrittenBlob, writeBlob } from '../estargz/writer.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import type { ContentStore } from '../store/store.ts'
import type { PathKey, TarNotes } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'

/** Digest of the uncompressed TOC JSON; a lazily pulling snapshotter trusts no TOC without it. */
export const TOC_DIGEST_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest'
/** Bytes of the uncompressed blob, in decimal; read by containers/storage. */
export const UNCOMPRESSED_SIZE_ANNOTATION = 'io.containers.estargz.uncompressed-size'
/** containerd's own: spares it to decompress a blob in order to learn its diff ID. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed'

/** Annotations that describe a blob's bytes, which are not the source's any more. */
const FORMAT_ANNOTATIONS = [
  /^containerd\.io\/snapshot\/(stargz|nydus|overlaybd)/,
  /^io\.containers\.(estargz|zstd-chunked)\./,
  /^io\.github\.containers\.zstd-chunked\./,
]

export interface ConvertedLayer {
  /** Position in the manifest, 0 = lowest. */
  index: number
  source: Descriptor
  target: Descriptor
  diffId: Digest
  tocDigest: Digest
  /** Of the new blob, TOC included. */
  uncompressedBytes: number
  /** Entries of the layer, without what the format adds. */
  entries: number
  /** Regular files before the landmark, and their content in bytes. */
  prioritizedFiles: number
  prioritizedBytes: number
  /** Compressed bytes before the landmark: what a client fetches first. */
  hotZoneBytes: number
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
  chunkBytes: number
  pool: CompressionPool
  /** Names the ingest, unique within this run. */
  ref: string
  signal?: AbortSignal
  /** @param doneBytes uncompressed bytes written so far */
  onProgress?(doneBytes: number): void
}

/** Nothing stays in the store when it throws. */
export async function convertLayer(request: LayerRequest): Promise<ConvertedLayer> {
  const { content, layer, index, pool, chunkBytes, signal, onProgress } = request
  const ordering = orderEntries(layer.entries, request.prioritized)
  const writer = await content.writer(request.ref)
  try {
    const blob = await writeBlob(layer, ordering, pool, writer, {
      chunkBytes,
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    const { digest, sizeBytes, diffId } = blob
    await writer.commit({ digest, sizeBytes, labels: { [UNCOMPRESSED_LABEL]: diffId } })
    const files = ordering.prioritized.filter((entry) => entry.type === 'reg')
    return {
      index,
      source: layer.descriptor,
      target: targetDescriptor(layer.descriptor, blob),
      diffId,
      tocDigest: blob.tocDigest,
      uncompressedBytes: blob.uncompressedBytes,
      entries: layer.entries.length,
      prioritizedFiles: files.length,
      prioritizedBytes: files.reduce((sum, entry) => sum + entry.sizeBytes, 0),
      hotZoneBytes: blob.hotZoneBytes,
      missing: ordering.missing,
      notes: layer.notes,
    }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/** Other fields of the source's descriptor (urls, data) point at its bytes: only annotations are carried over. */
function targetDescriptor(source: Descriptor, blob: WrittenBlob): Descriptor {
  const kept = Object.entries(source.annotations ?? {}).filter(
    ([key]) => !FORMAT_ANNOTATIONS.some((pattern) => pattern.test(key)),
  )
  return {
    mediaType: MEDIA_TYPE.ociLayerGzip,
    digest: blob.digest,
    size: blob.sizeBytes,
    annotations: {
      ...Object.fromEntries(kept),
      [TOC_DIGEST_ANNOTATION]: blob.tocDigest,
      [UNCOMPRESSED_SIZE_ANNOTATION]: String(blob.uncompressedBytes),
    },
  }
}

/** Tars as layers: opened, and converted to a blob in memory. */
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { EngineName } from '../../native/compression.ts'
import { decompressFrames, isZstd } from '../../native/zstd.ts'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { estargzFormat } from '../../optimizer/estargz/estargz-format.ts'
import { encodeExternalTocFooter } from '../../optimizer/estargz/gzip.ts'
import { orderEntries } from '../../optimizer/estargz/prioritize.ts'
import { type LayerToc, type ReadAt, readToc } from '../../optimizer/estargz/reader.ts'
import { parseToc, type TocEntry, TocText } from '../../optimizer/estargz/toc.ts'
import { type WrittenBlob, writeBlob } from '../../optimizer/estargz/writer.ts'
import type { ZstdChunkedDialect } from '../../optimizer/estargz/zstd-footer.ts'
import { zstdChunkedFormat } from '../../optimizer/estargz/zstdchunked-format.ts'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { TarIndexer } from '../../optimizer/tar/indexer.ts'
import { type LayerSource, type OpenedLayer, openLayer } from '../../optimizer/tar/layer.ts'
import { beginLayer, type LayerUnderWay } from '../../optimizer/tar/layer-under-way.ts'

export async function* inPieces(bytes: Buffer, pieceBytes = 64 * 1024): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += pieceBytes)
    yield bytes.subarray(start, start + pieceBytes)
}

export function spoolPath(): string {
  return join(tmpdir(), `hotlayer-test-${randomUUID()}`)
}

/** @param blob the tar itself, or what it was compressed to */
export async function openTar(
  tar: Buffer,
  { blob = tar, pieceBytes = 64 * 1024 } = {},
): Promise<OpenedLayer> {
  return await openLayer(sourceOf(tar, blob, pieceBytes))
}

/** The same, to be used while it is read. */
export function beginTar(tar: Buffer): LayerUnderWay {
  return beginLayer(sourceOf(tar, tar, 64 * 1024))
}

function sourceOf(tar: Buffer, blob: Buffer, pieceBytes: number): LayerSource {
  return {
    blob: inPieces(blob, pieceBytes),
    descriptor: { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(blob), size: blob.length },
    diffId: digestOf(tar),
    spoolPath: spoolPath(),
  }
}

/** The index of a tar, pushed in pieces of `pieceBytes`. */
export function indexTar(tar: Buffer, pieceBytes = tar.length): TarIndexer {
  const indexer = new TarIndexer()
  for (let start = 0; start < tar.length; start += pieceBytes)
    indexer.push(tar.subarray(start, start + pieceBytes))
  indexer.end()
  return indexer
}

export interface ConvertTarOptions {
  /** zstd:chunked instead of eStargz. */
  dialect?: ZstdChunkedDialect
  level?: number
  workers?: number
  engine?: EngineName
  prefetchLevel?: number
  chunkBytes?: number
  minChunkBytes?: number
  externalToc?: boolean
  keepDiffId?: boolean
  prioritized?: string[]
  /** Threads that are there already, and stay. */
  pool?: CompressionPool
}

export interface ConvertedTar extends WrittenBlob {
  blob: Buffer
  /** Uncompressed. */
  tar: Buffer
  /** The external one where the blob has none. */
  toc: LayerToc
  missing: string[]
}

export async function convertTar(tar: Buffer, options: ConvertTarOptions = {}): Promise<ConvertedTar> {
  const { level = 6, workers = 1, engine, chunkBytes = 4 * 1024 * 1024, prioritized = [] } = options
  const layer = await openTar(tar)
  const pool = options.pool ?? new CompressionPool({ workers })
  const levels = { compressionLevel: level, prefetchCompressionLevel: options.prefetchLevel ?? level }
  const format =
    options.dialect === undefined
      ? estargzFormat({
          ...(engine === undefined ? {} : { engine }),
          ...levels,
          chunkBytes,
          minChunkBytes: options.minChunkBytes ?? 0,
          externalToc: options.externalToc ?? false,
          keepDiffId: options.keepDiffId ?? false,
        })
      : zstdChunkedFormat({ dialect: options.dialect, ...levels, chunkBytes })
  const pieces: Buffer[] = []
  try {
    const ordering = orderEntries(layer.entries, prioritized)
    const sink = { write: async (bytes: Uint8Array) => void pieces.push(Buffer.from(bytes)) }
    const written = await writeBlob(layer, ordering, pool, sink, { format })
    const blob = Buffer.concat(pieces)
    const toc = await tocOf(blob, written)
    return { ...written, blob, tar: decompressed(blob), toc, missing: ordering.missing }
  } finally {
    if (options.pool === undefined) await pool.close()
    await layer.close()
  }
}

/** The tar of a blob in gzip or zstd. */
export function decompressed(blob: Buffer): Buffer {
  return isZstd(blob) ? decompressFrames(blob, 2 ** 31) : gunzipSync(blob)
}

async function tocOf(blob: Buffer, { externalToc, tocDigest }: WrittenBlob): Promise<LayerToc> {
  if (externalToc === undefined) return (await readToc(readerOf(blob), blob.length)) as LayerToc
  const json = gunzipSync(externalToc.bytes)
  const size = Number.parseInt(json.toString('latin1', 124, 135), 8)
  const text = json.subarray(512, 512 + size)
  const contentBytes = blob.length - encodeExternalTocFooter().length
  return {
    format: 'estargz',
    toc: parseToc(text),
    json: text,
    tocDigest,
    tocOffset: contentBytes,
    contentBytes,
    landmark: undefined,
  }
}

export function readerOf(blob: Buffer): ReadAt {
  return async (offset, bytes) => blob.subarray(offset, offset + bytes)
}

/** A TOC of these entries. */
export function encodeToc(entries: readonly TocEntry[]): Buffer {
  const text = new TocText()
  for (const entry of entries) text.add(entry, true)
  return Buffer.concat(text.end())
}

/** What decides the bytes of a conversion. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import { type EstargzOptions, estargzFormat } from '../estargz/estargz-format.ts'
import { type ZstdChunkedOptions, zstdChunkedFormat } from '../estargz/zstdchunked-format.ts'

export type LayerFormat =
  | ({ kind: 'estargz' } & EstargzOptions)
  | ({ kind: 'zstdchunked' } & ZstdChunkedOptions)
  /** Plain tar, entries in their old order and nothing added. */
  | { kind: 'uncompressed' }

export interface ConversionOptions {
  format: LayerFormat
  /** Threads that compress; has no influence on the bytes. */
  workers: number
  /** Most bytes under way, uncompressed and compressed; follows from `workers` when absent. */
  memoryBytes?: number
}

export const COMPRESSION_LEVEL_DEFAULT = 6
/** Of zstd, as the original has it. */
export const ZSTD_LEVEL_DEFAULT = 3
export const CHUNK_BYTES_DEFAULT = 4 * 1024 * 1024

/** null for plain tar. @throws {UsageError} COMPRESSION_LEVEL_INVALID; {PreconditionError} ENGINE_MISSING */
export function blobFormat(format: LayerFormat): BlobFormat | null {
  switch (format.kind) {
    case 'estargz':
      return estargzFormat(format)
    case 'zstdchunked':
      return zstdChunkedFormat(format)
    case 'uncompressed':
      return null
  }
}

/** What decides the bytes of a conversion. */
export interface ConversionOptions {
  /** Level of the compression engine, 1 to 12 for libdeflate, 1 to 9 for zlib. */
  compressionLevel: number
  /** Greatest payload of one gzip member in bytes. */
  chunkBytes: number
  /** Threads that compress; has no influence on the bytes. */
  workers: number
}

export const COMPRESSION_LEVEL_DEFAULT = 6
export const CHUNK_BYTES_DEFAULT = 4 * 1024 * 1024

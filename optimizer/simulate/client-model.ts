/**
 * What the model knows of the two clients: how they ask, and how fast the machine is that they run on.
 *
 * How they ask is in their sources; how fast they are was fitted to the stored rows of `npm run bench:start` by `npm run bench:model -- --fit`
 * (docs/simulator.md says how well it fits, and how well an image that it has not seen).
 *
 * @see stargz-snapshotter 0.12: fs/remote/blob.go (pieces), fs/remote/resolver.go (two requests before the first
 *   byte), estargz/estargz.go (footer, then table; buffers of a read), fs/layer/layer.go (prefetch), fs/fs.go
 *   (all layers at once, a start waits for the prefetch), task/task.go (background fetch)
 */

import type { StoredCompression } from './start-facts.ts'

/** Blobs are asked for in pieces of this size, aligned to it; neighbours that lack are one request. */
export const PIECE_BYTES = 50_000
/** A read on demand asks for at most so much at a time. */
export const READ_BYTES_MAX = 2 * 1024 ** 2
/** The footer that all formats end with, the longest. */
export const FOOTER_BYTES = 51
/** What two requests transfer before the first byte that counts: `Range: bytes=0-1`, and a HEAD. */
export const PROBE_BYTES = 2
/** A container is created after the prefetch, or after this time. */
export const PREFETCH_WAIT_SECONDS = 10

export interface ClientModel {
  /** Of an answer, on the wire. */
  headerBytes: number
  /** That decompress. */
  processors: number
  /** Commands and daemons, before the first request and between pull and the workload's first instruction. */
  pullSeconds: number
  runSeconds: number
  /** Mounting a layer that is pulled lazily. */
  mountSeconds: number
  /** Decoding tables of contents, on one processor. */
  tocFilesPerSecond: number
  /** Content from its compressed form into a client's cache, on one processor. */
  contentBytesPerSecond: Record<StoredCompression, number>
  /** Making a file in that cache, in processor time. */
  cachedFileSeconds: number
  /** Reading through the mounted layer: for each file, and for its content. */
  readFileSeconds: number
  readBytesPerSecond: number
  /** Unpacking a layer into files, one layer after the other. */
  unpackBytesPerSecond: Record<StoredCompression, number>
  unpackFileSeconds: number
}

/** Two processors of a virtual machine, containerd 1.6, stargz-snapshotter 0.12. */
export const CLIENT: ClientModel = {
  headerBytes: 350,
  processors: 2,
  pullSeconds: 0.2,
  runSeconds: 0.35,
  mountSeconds: 0.05,
  tocFilesPerSecond: 41_000,
  contentBytesPerSecond: { gzip: 22.5e6, zstd: 28.6e6, none: 200e6 },
  cachedFileSeconds: 0.0022,
  readFileSeconds: 0.0002,
  readBytesPerSecond: 200e6,
  unpackBytesPerSecond: { gzip: 43e6, zstd: 60e6, none: 150e6 },
  unpackFileSeconds: 0.00002,
}

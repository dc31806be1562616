/**
 * What makes blobs of one kind: how the pieces of the tar are compressed, and what follows them. The writer knows
 * nothing else of a format; eStargz and zstd:chunked are implementations of this.
 */
import type { Digest } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { Codec } from './codec.ts'
import type { Member } from './members.ts'

export interface BlobFormat {
  /** As results name it. */
  readonly name: string
  /** Of a layer's descriptor. */
  readonly mediaType: string
  /** What compresses; the bytes depend on it, its version and the level. */
  readonly engine: { name: string; version: string }
  /** Of the members before the landmark, and of the rest. Both make members that decompress alike. */
  readonly hotCodec: Codec
  readonly codec: Codec
  /** Greatest content of a file in one member, in bytes. */
  readonly chunkBytes: number
  /** A member is filled with further files until it has so many uncompressed bytes; 0: each chunk has its own. */
  readonly minChunkBytes: number
  /** A chunk's member holds the chunk alone: what lies between contents has members of its own. */
  readonly contentApart: boolean
  /** Whether a landmark entry separates what is fetched ahead from the rest. */
  readonly hasLandmark: boolean
  /** The tar stays byte for byte what it was: nothing is moved, left out or added. */
  readonly lossless?: boolean
  /** For one blob. */
  begin(): BlobTable
}

/** Gets to know every entry of a blob in order, then writes what follows the members. */
export interface BlobTable {
  /** An entry without content. */
  entry(entry: TarEntry): void
  /** A piece of a file's content; a file's pieces come in order, one right after the other. */
  chunk(entry: TarEntry, chunk: WrittenChunk): void
  /** Where wanted: the uncompressed bytes of each member, in order; they may be overwritten afterwards. */
  observe?(member: Member, bytes: Uint8Array): void
  /** After the last member. */
  end(output: BlobOutput): Promise<BlobEnd>
}

export interface WrittenChunk {
  /** In the file. */
  chunkOffset: number
  /** Uncompressed. */
  bytes: number
  /** The member that holds it, in the blob: from `offset` up to `endOffset`. */
  offset: number
  endOffset: number
  /** Where the chunk begins in its uncompressed member. */
  innerOffset: number
  chunkDigest: Digest
  /** Of the whole file; with its last chunk only. */
  fileDigest?: Digest
}

/** A TOC as a layer of another image: a gzip-compressed tar with the TOC as only entry. */
export interface ExternalToc {
  bytes: Buffer
  diffId: Digest
}

export interface BlobEnd {
  tocDigest: Digest
  /** Where the TOC lies in the blob; null when it is not in there. */
  tocOffset: number | null
  /** A TOC that is not in the blob, as a blob of its own. */
  externalToc?: ExternalToc
  /** Of the layer's descriptor. */
  annotations: Record<string, string>
}

/** Where a blob ends so far. The memory of large parts is taken: they are empty afterwards. */
export interface BlobOutput {
  /** Bytes of the blob. */
  readonly offset: number
  /** Bytes of the tar in it. */
  readonly uncompressedBytes: number
  /** Appends to the tar: as one member. */
  member(parts: readonly Buffer[], codec: Codec): Promise<void>
  /** Appends to the blob what is not part of the tar. */
  raw(bytes: Uint8Array): Promise<void>
  /** A member that is appended to nothing. */
  compressed(parts: readonly Buffer[], codec: Codec): Promise<Buffer>
}

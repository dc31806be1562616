/**
 * Where images live: two small interfaces. Conversion, record and inspect know nothing else of a store;
 * test/contracts/ holds the suite that every implementation passes.
 */
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'

export interface BlobInfo {
  digest: Digest
  sizeBytes: number
  /** Labels are containerd's; a format without them keeps them for as long as the store is open. */
  labels: Record<string, string>
}

/** A blob on its way into the store. Ends with exactly one of `commit` and `abort`. */
export interface BlobWriter {
  /** Resolves when the store has taken the bytes: awaiting it is the back-pressure, and the memory may be reused then. */
  write(bytes: Uint8Array): Promise<void>
  /** What follows is little, and takes its time: the store may begin with what it does at the end. */
  nearEnd?(): void
  /**
   * The blob appears under its digest, whole. A blob that is there already counts as written (its labels are merged).
   * @throws when the bytes written are not the expected ones
   */
  commit(expected: { digest: Digest; sizeBytes: number; labels?: Record<string, string> }): Promise<void>
  /** Removes what was written; safe at any time, also after a failed commit. */
  abort(): Promise<void>
}

export interface ReadOptions {
  offsetBytes?: number
  lengthBytes?: number
  /** When nobody wants it any more: what is on its way from afar is given up then. */
  signal?: AbortSignal
  /** Told of what lies on disk of it while it is read, where the store holds blobs so. */
  space?: DiskSpace
}

/** Disk that may be used up. */
export interface DiskSpace {
  /** @throws where there is not so much */
  takeDisk(bytes: number): void
  giveDisk(bytes: number): void
}

export interface ContentStore {
  /** Of a blob that is read all bytes lie on disk before the first one is given, until the last one is. */
  readonly holdsWhileRead?: boolean
  /** @throws {NotFoundError} */
  info(digest: Digest): Promise<BlobInfo>
  /**
   * The blob's bytes in order, in pieces of at most 1 MiB or so. Not verified here: readers of layers hash as they go.
   * @throws {NotFoundError}
   */
  read(digest: Digest, options?: ReadOptions): AsyncIterable<Buffer>
  /**
   * Opens an ingest. What an earlier, interrupted ingest of the same `ref` left is discarded.
   * @param ref names the ingest, unique within this run
   * @param likelyBytes how large the blob will be, as far as that is known: a store may have another way for large ones
   */
  writer(ref: string, likelyBytes?: number): Promise<BlobWriter>
  /** Merges labels; an empty value removes one. The blob is kept as if this run had written it. @throws {NotFoundError} */
  setLabels(digest: Digest, labels: Record<string, string>): Promise<void>
  /**
   * Has a blob of another store without its bytes passing through here, where the two can do that.
   * @returns whether it is here now
   */
  adopt?(from: ContentStore, blob: Descriptor): Promise<boolean>
}

/** A name and what it points at. */
export interface StoredImage {
  name: string
  target: Descriptor
  labels: Record<string, string>
}

export interface ImageStore {
  /**
   * The image that a person means, as docker or skopeo would take it.
   * @returns with a name that says to a person where it is
   * @throws {NotFoundError} naming what was looked for
   */
  find(text: string): Promise<StoredImage>
  /** The image of exactly this name. @throws {NotFoundError} */
  get(name: string): Promise<StoredImage>
  /**
   * For an image that is there in part, what a person can do to have it whole.
   * @param platforms those that lack something; empty where that is not known
   */
  howToFetch(name: string, platforms: readonly string[]): string
  /** Creates or replaces the name in one step; never deletes first. */
  put(image: StoredImage): Promise<void>
}

/** What the model is fed with: plain data of an image and of what its workload reads until it has started. */

export type StoredCompression = 'gzip' | 'zstd' | 'none'

export interface LayerOfStart {
  /** Of the blob. */
  sizeBytes: number
  /** Of its tar. */
  uncompressedBytes: number
  /** Regular ones. */
  files: number
  compression: StoredCompression
  /** null: no table of contents, so it is pulled in full before anything starts. */
  lazy: LazyLayer | null
}

export interface LazyLayer {
  /** Where in the blob the table of contents lies, and how long it is; the footer follows. */
  tocOffset: number
  tocBytes: number
  /** The table is in another image instead, which is asked for it. */
  isTocApart?: true
  /** The one request made before anybody reads: from the beginning to the landmark. 0 without one. */
  prefetchBytes: number
  /** What that holds once it is decompressed: files and their content. */
  prefetchFiles: number
  prefetchContentBytes: number
}

/** A piece of a file as it is fetched: offset in the blob, its bytes there, its bytes once decompressed. */
export type StoredPiece = readonly [offset: number, storedBytes: number, contentBytes: number]

/** The first access of a file. */
export interface AccessOfStart {
  /** Since the workload's start, on a machine that had the whole image. */
  atSeconds: number
  /** 0 = lowest. */
  layer: number
  /** Empty for an empty file. */
  pieces: readonly StoredPiece[]
}

export interface StartFacts {
  /** Manifest and config. */
  documentBytes: number
  /** An index stands before the manifest: one more request. */
  hasIndex: boolean
  layers: readonly LayerOfStart[]
  /** In order. */
  accesses: readonly AccessOfStart[]
  /** From the workload's start until it is up, on a machine that has the whole image. */
  ownSeconds: number
}

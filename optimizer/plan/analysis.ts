/**
 * What comes first in an image and what does not, file by file: planned for a source from records and a list, or found in
 * a finished image. Plain data, which programs print and pages draw.
 *
 * Paths are clean and root-relative text (`usr/bin/python3`); bytes that are not UTF-8 appear as U+FFFD.
 */
import type { RecordedKind, RecordHeader } from '../../shared/record.ts'
import type { LazyFormat } from '../estargz/reader.ts'
import type { Digest } from '../image/digest.ts'

export interface ImageAnalysis {
  /** `planned`: a source and what a conversion would put first; `finished`: what an image's layers have first. */
  kind: 'planned' | 'finished'
  /** As its store has it. */
  name: string
  /** What the name points at. */
  digest: Digest
  manifestDigest: Digest
  /** os/architecture[/variant] */
  platform: string
  /** Of a finished image: the manifest that it was made from, where it says so. */
  sourceManifestDigest: string | null
  /** What accesses are from, in the order given; empty where no record was given. */
  records: AnalysedRecord[]
  /** Lowest first. */
  layers: LayerAnalysis[]
  /** Of all layers. */
  sums: ZoneSums
  /** What was wanted and does not come first; empty for a finished image. */
  leftOut: LeftOut[]
  /** Lines of the prefetch list that name nothing of the image, or leave nothing out; 0 for a finished image. */
  unknownLines: number
  /** Globs of --exclude that match no file of the image; 0 for a finished image. */
  unknownExclusions: number
  warnings: AnalysisWarning[]
}

export interface AnalysedRecord {
  /** Where it was read from. */
  file: string
  /** null in the original's form, which has no header; its lines have no times, kinds and processes either. */
  header: RecordHeader | null
  /** Files of this image that it names, each counted once. */
  files: number
}

export interface LayerAnalysis {
  /** Position in the manifest, 0 = lowest. */
  index: number
  digest: Digest
  /** Of the blob as it is; a planned one has not been converted yet. */
  format: LazyFormat | 'gzip' | 'zstd' | 'tar'
  /** What a client is told to fetch ahead; null where there is no landmark, and in a planned layer. */
  landmark: 'prefetch' | 'no-prefetch' | null
  /**
   * Of a finished layer, compressed bytes of the TOC that a lazy client fetches before anything else, its footer included;
   * null where there is none, where it is not found, and in a planned layer.
   */
  tocBytes: number | null
  /** Compressed bytes of the tar, before the TOC; null where `tocBytes` is. */
  contentEndBytes: number | null
  sums: ZoneSums
  /** Every regular file of the layer: those of the hot zone in its order, then the others in theirs. */
  files: FileAnalysis[]
}

/** Bytes that are called content are uncompressed, of regular files; all others are compressed. */
export interface ZoneSums {
  /** Of the blob as it is: in a plan the source's. */
  sizeBytes: number
  files: number
  contentBytes: number
  /** What comes first. */
  hotFiles: number
  hotContentBytes: number
  /**
   * Compressed bytes before the landmark, from the blob's beginning: what a client fetches ahead. In a plan they are really
   * compressed, as the conversion would.
   */
  hotZoneBytes: number
  /** Files that a record names; all below are 0 without one. */
  readFiles: number
  readContentBytes: number
  /** Of these, in the hot zone. */
  hitFiles: number
  hitContentBytes: number
}

export interface FileAnalysis {
  path: string
  /** Content, uncompressed. */
  sizeBytes: number
  /** Before the landmark, or planned to be. */
  hot: boolean
  /** Other names of the same file in this layer. */
  links: string[]
  /**
   * Where its content lies in the blob, in its order; empty for a file without content; null where that is not known: a cold
   * file of a plan, a layer without a TOC.
   */
  chunks: ChunkPlace[] | null
  /**
   * Compressed bytes of the members that hold it, the headers that ride in them included; of members that several files share,
   * its part by content. null where `chunks` is.
   */
  compressedBytes: number | null
  /** What the records say of it; null where they do not name it. */
  access: FileAccess | null
}

export interface ChunkPlace {
  /** In the file. */
  chunkOffset: number
  /** Uncompressed. */
  chunkBytes: number
  /** In the blob: of the member that holds it, which a client has to fetch as a whole. */
  offset: number
  /** Of that member, compressed. */
  memberBytes: number
  /** Where the chunk begins in the uncompressed member. */
  innerOffset: number
}

/** Of all lines that name a file, under any of its names; what is not said otherwise is of the first. */
export interface FileAccess {
  /** Position among `records`. */
  record: number
  /** In the record's file, from 1. */
  line: number
  /** 0 for the file that was read first of all in the image; without gaps. */
  rank: number
  /** null in the original's form. */
  phase: 'create' | 'run' | null
  /** Of all lines; empty in the original's form. */
  kinds: RecordedKind[]
  /**
   * `used`: executed, read or copied up; `opened`: opened and nothing else, in a record that would tell reads; `unknown`: opened,
   * in a record that does not.
   */
  evidence: 'used' | 'opened' | 'unknown'
  /** Since the workload's start, negative before it; null in the original's form. */
  firstAccessMicroseconds: number | null
  pid: number | null
  /** Command name of the first reader. */
  process: string | null
  /** The first reader was a command of --ready-exec. */
  probe: boolean
  /** Name of the first workload that has read it; null where there was one workload. */
  workload: string | null
}

/** Something that was wanted and does not come first. */
export interface LeftOut {
  path: string
  /** null where it is in no layer. */
  layerIndex: number | null
  /** Content, uncompressed; null where it is in no layer. */
  sizeBytes: number | null
  /**
   * `budget`: after the cut of --prefetch-budget; `excluded`: by --exclude or a line of the list; `absent`: in no layer that it was
   * wanted in; `other-image`: the line is about another manifest.
   */
  reason: 'budget' | 'excluded' | 'absent' | 'other-image'
}

export interface AnalysisWarning {
  /** Stable, for programs. */
  code: WarningCode
  /** A sentence with what it is, and what helps. */
  message: string
  layerIndex: number | null
  path: string | null
}

export type WarningCode =
  /** A file that is a large part of the hot zone: it was opened, which is no reason to fetch all of it. */
  | 'LARGE_FILE'
  /** The hot zone is more than a third of the image. */
  | 'LARGE_HOT_ZONE'
  | 'RECORD_INCOMPLETE'
  /** Nothing comes first. */
  | 'NOT_OPTIMIZED'
  /** The TOC's digest is not annotated, or is another's: clients will not pull the layer lazily. */
  | 'TOC_NOT_ANNOTATED'
  /** Files in the hot zone that were opened and never read. */
  | 'OPENED_NOT_READ'
  /** --prefetch-budget has cut the hot zone. */
  | 'BUDGET_CUT'
  /** Of one platform of several: nothing says what comes first. */
  | 'NOT_ORDERED'

/** A folder with all that is below it. Bytes are uncompressed content. */
export interface DirectoryAnalysis {
  /** Last part of the path; '' of the root. */
  name: string
  path: string
  files: number
  hotFiles: number
  contentBytes: number
  hotContentBytes: number
  /** Files that a record names. */
  readFiles: number
  readContentBytes: number
  /** The largest first. */
  directories: DirectoryAnalysis[]
  /** Of the folder itself, the largest first. */
  ownFiles: FileAnalysis[]
}

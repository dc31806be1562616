/** What `optimizer verify --json` prints. Fields are only added; a change of meaning raises the version. */
import type { Digest } from '../image/digest.ts'
import type { Difference, DifferenceCode } from './difference.ts'
import type { TargetFormat } from './verify-layer.ts'

export const VERIFICATION_SCHEMA_VERSION = 1

export interface Verification {
  schemaVersion: typeof VERIFICATION_SCHEMA_VERSION
  /** No differences. */
  equal: boolean
  source: { name: string; digest: Digest }
  target: { name: string; digest: Digest }
  /** Where TOCs were looked for that are not inside the target's layers; null: nowhere. */
  tocImage: { name: string; digest: Digest } | null
  platforms: VerifiedPlatform[]
  /** Platforms that the source has and the target has not: left out, not compared. */
  platformsLeftOut: string[]
  /** All of them, the listed ones included. */
  differenceCount: number
  /** How many of each kind. */
  counts: Partial<Record<DifferenceCode, number>>
  /** The first: documents, layers from the lowest, the merged file system; by path within each. */
  differences: Difference[]
}

export interface VerifiedPlatform {
  platform: string
  layers: VerifiedLayerResult[]
  /** null: a layer of the target could not be read, so its file system was not compared. */
  fileSystem: { files: number; contentBytes: number } | null
}

export interface VerifiedLayerResult {
  /** Position in the manifest, 0 = lowest. */
  index: number
  digest: Digest
  /** null: the blob is not there, or is no layer. */
  format: TargetFormat | null
  /** Of the source's layer, one per name. */
  entries: number
  uncompressedBytes: number | null
  toc: { entries: number; chunks: number } | null
  /** What a conversion changes by design, counted in the source. @see docs/verify.md */
  exceptions: {
    sparseFiles: number
    repeatedNames: number
    globalHeaders: number
    unknownTypes: number
    formatEntries: number
  }
}

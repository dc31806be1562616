/** An access as a program of others tells it: a path, and what else is known. */
import type { RecordedKind } from '../../shared/record.ts'
import type { PathKey } from '../tar/entry.ts'

export const IMPORT_FORMATS = ['original', 'strace', 'stargz-log'] as const
export type ImportFormat = (typeof IMPORT_FORMATS)[number]

export interface ForeignAccess {
  /** As a container sees it; symbolic links in it may not be followed yet. */
  path: PathKey
  /** Where it is said to be; null where only the path is known. */
  place: { layerIndex: number } | { layerDigest: string } | null
  kind: RecordedKind
  /** Since the first line that has a time; 0 where none has. */
  microseconds: number
  pid: number
  command: string | null
}

export interface ForeignAccesses {
  /** In the order of the file. */
  accesses: ForeignAccess[]
  /** Of the first line; null where lines have none, or a time of day alone. */
  started: Date | null
  /** Accesses whose path cannot be told: relative to a folder that is not named. */
  unresolved: number
}

/** The file is not what it is said to be. */
export class ForeignFormatError extends Error {}

/** How the list looks: one interface, five formats. */
import type { Counters } from '../../shared/messages.ts'
import type { SeenAccess, SeenFile } from './seen-files.ts'
import type { Identity, TargetEnd } from './target.ts'

/** Known before the first access. */
export interface RunStart {
  identity: Identity
  pid: number
  started: Date
  /** Mounts that are watched, as paths. */
  mounts: Buffer[]
  /** Whether reading is watched, beside opening. */
  reads: boolean
}

/** Known after the last one. */
export interface RunEnd extends RunStart {
  end: TargetEnd
  /** As a shell shows it: 128 and the signal's number. */
  exitStatus: number | null
  durationSeconds: number
  counters: Counters
  /** Why accesses are missing; empty where none is known to be. */
  missing: string[]
}

export interface ListFormat {
  begin?(start: RunStart): string
  /** Accesses as they come. */
  accesses?(accesses: readonly SeenAccess[]): string | Buffer
  /** All files, when the run is over. */
  end?(run: RunEnd, files: readonly SeenFile[]): string
}

export const FORMATS = ['text', 'tree', 'json', 'paths', 'record'] as const
export type FormatName = (typeof FORMATS)[number]

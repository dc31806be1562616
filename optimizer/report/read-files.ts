/** What was read, in order of first access: of an analysed image, or of a record alone. */
import {
  type AccessRecord,
  type RecordedKind,
  type RecordHeader,
  workloadBegins,
} from '../../shared/record.ts'
import type { ImageAnalysis } from '../plan/analysis.ts'

export interface ReadFile {
  path: string
  /** null where that is not known. */
  layer: number | null
  /** Content, uncompressed. */
  sizeBytes: number
  /** In the image; null where that is not known. */
  storedBytes: number | null
  /** Before the landmark, or planned to be; null where no image is looked at. */
  hot: boolean | null
  /** Since the start of the record's first workload; null where that is not known: the original's form, a file copied up. */
  atSeconds: number | null
  phase: 'create' | 'run' | null
  kinds: readonly RecordedKind[]
  /** Command name of the first reader. */
  process: string | null
  workload: string | null
}

/** A run, as its record tells it. */
export interface RecordedRun {
  file: string
  header: RecordHeader | null
}

export function readFilesOf({ layers, records }: ImageAnalysis): ReadFile[] {
  const secondsOf = records.map(({ header }) => timesOf(header))
  return layers
    .flatMap(({ files, index }) =>
      files.flatMap((file) => (file.access === null ? [] : { file, access: file.access, layer: index })),
    )
    .sort((one, other) => one.access.rank - other.access.rank)
    .map(({ file, access, layer }) => ({
      path: file.path,
      layer,
      sizeBytes: file.sizeBytes,
      storedBytes: file.compressedBytes,
      hot: file.hot,
      atSeconds: secondsOf[access.record]?.(access) ?? null,
      phase: access.phase,
      kinds: access.kinds,
      process: access.process,
      workload: access.workload,
    }))
}

/** A file that was read in both phases is the first one's. */
export function readFilesOfRecord({ header, entries }: AccessRecord): ReadFile[] {
  const secondsOf = timesOf(header)
  const files = new Map<string, ReadFile>()
  for (const entry of entries) {
    const key = `${entry.layerIndex} ${entry.path.toString('latin1')}`
    if (files.has(key)) continue
    files.set(key, {
      path: entry.path.toString('utf8'),
      layer: entry.layerIndex,
      sizeBytes: entry.sizeBytes,
      storedBytes: null,
      hot: null,
      atSeconds: secondsOf(entry),
      phase: entry.phase,
      kinds: entry.kinds,
      process: entry.command?.toString('utf8') ?? null,
      workload: entry.workload ?? null,
    })
  }
  return [...files.values()]
}

interface Timed {
  firstAccessMicroseconds: number | null
  kinds: readonly RecordedKind[]
  workload?: string | null
}

/** Each workload's times begin with its own start. */
function timesOf(header: RecordHeader | null): (access: Timed) => number | null {
  const begins = workloadBegins(header ?? {})
  return ({ firstAccessMicroseconds, kinds, workload }) =>
    firstAccessMicroseconds === null || kinds.includes('copy-up')
      ? null
      : (firstAccessMicroseconds + (begins.get(workload ?? '') ?? 0)) / 1e6
}

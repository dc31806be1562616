/** The records of several workloads of one image to one record. */
import type {
  AccessRecord,
  RecordCounters,
  RecordEntry,
  RecordedKind,
  RecordedWorkload,
} from '../../shared/record.ts'

interface NamedRecord {
  /** null: the only one. */
  name: string | null
  record: AccessRecord
}

/**
 * In the order of the workloads, and for each in that of its first accesses; a file that several have read is the
 * first's, once per phase, with the kinds of all.
 * @param records of one image, at least one
 */
export function mergeWorkloads(records: readonly NamedRecord[]): AccessRecord {
  const [first] = records as [NamedRecord]
  if (first.name === null) return first.record
  const headers = records.map(({ record }) => record.header)
  return {
    header: {
      ...first.record.header,
      workloads: records.map(recordedWorkload),
      durationSeconds: headers.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0),
      counters: headers.map(({ counters }) => counters).reduce(sumOfCounters),
      complete: headers.every(({ complete }) => complete),
      incompleteReasons: records.flatMap(({ name, record }) =>
        record.header.incompleteReasons.map((reason) => `${name}: ${reason}`),
      ),
    },
    entries: mergedEntries(records),
  }
}

function recordedWorkload({ name, record }: NamedRecord): RecordedWorkload {
  const { workload, stop, drive, started, durationSeconds, exitStatus } = record.header
  const driven = drive === undefined ? {} : { drive }
  const files = new Set(record.entries.map(fileOf)).size
  return {
    name: name ?? '',
    args: workload.args,
    stop,
    ...driven,
    started,
    durationSeconds,
    exitStatus,
    files,
  }
}

function mergedEntries(records: readonly NamedRecord[]): RecordEntry[] {
  const merged = new Map<string, RecordEntry>()
  for (const { name, record } of records)
    for (const entry of record.entries) {
      const key = `${entry.phase} ${fileOf(entry)}`
      const known = merged.get(key)
      if (known === undefined) merged.set(key, name === null ? entry : { ...entry, workload: name })
      else known.kinds = allKinds(known.kinds, entry.kinds)
    }
  return [...merged.values()]
}

/** The same for all lines about one file. */
export function fileOf({ layerIndex, path }: RecordEntry): string {
  return `${layerIndex} ${path.toString('latin1')}`
}

const KIND_ORDER: readonly RecordedKind[] = ['open', 'exec', 'read', 'copy-up']

export function allKinds(left: readonly RecordedKind[], right: readonly RecordedKind[]): RecordedKind[] {
  return KIND_ORDER.filter((kind) => left.includes(kind) || right.includes(kind))
}

/** null where one of them is not known. */
export function sumOfCounters(left: RecordCounters, right: RecordCounters): RecordCounters {
  const names = Object.keys(left) as (keyof RecordCounters)[]
  const sums = names.map((name) => {
    const [one, other] = [left[name], right[name]]
    return [name, one === null || other === null ? null : one + other]
  })
  return Object.fromEntries(sums) as RecordCounters
}

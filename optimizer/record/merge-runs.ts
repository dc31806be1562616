/** Records of several runs of one image (again, of replicas, of other workloads) to one. */
import { PreconditionError } from '../../shared/errors.ts'
import {
  type AccessRecord,
  type RecordEntry,
  type RecordedWorkload,
  type RecordHeader,
  type RecordSource,
  workloadBegins,
} from '../../shared/record.ts'
import { allKinds, fileOf, sumOfCounters } from './merge-workloads.ts'

export interface MergedRun {
  /** As it was named. */
  file: string
  /** sha256 of its text. */
  digest: string
  record: AccessRecord
  /** More than 0. */
  weight: number
}

/** How many of the runs must have read a file: so many of them, or those with such a share of all weights. */
export type Quorum = { count: number } | { share: number }

/**
 * A file has the place of its weighted median among the times of its first accesses in the runs that have read it; of an even
 * number, of the earlier one. Of equal times the place in the records decides.
 * @param runs at least one
 * @throws {PreconditionError} RECORD_OF_ANOTHER_IMAGE
 */
export function mergeRuns(runs: readonly MergedRun[], quorum: Quorum): AccessRecord {
  requireOneImage(runs)
  const totalWeight = runs.reduce((sum, { weight }) => sum + weight, 0)
  const accesses = runs.map(accessesOf)
  const weights = weightsOfFiles(accesses)
  const isEnough = (file: string) => {
    const { count, weight } = weights.get(file) as FileWeight
    return 'count' in quorum ? count >= quorum.count : weight >= quorum.share * totalWeight - ROUNDING
  }
  const groups = new Map<string, Access[]>()
  for (const access of accesses.flat()) {
    if (!isEnough(access.file)) continue
    const key = `${access.entry.phase} ${access.file}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [access])
    else group.push(access)
  }
  const merged = [...groups.values()].map(mergedAccess)
  merged.sort((a, b) => a.microseconds - b.microseconds || a.position - b.position || compare(a.file, b.file))
  return { header: mergedHeader(runs), entries: merged.map(({ entry }) => entry) }
}

/** Of sums of weights that are no whole numbers. */
const ROUNDING = 1e-9

function requireOneImage(runs: readonly MergedRun[]): void {
  const digestOf = ({ record }: MergedRun) => record.header.image?.manifestDigest
  const [first] = runs as [MergedRun]
  const other = runs.find((run) => digestOf(run) !== digestOf(first))
  if (other === undefined) return
  throw new PreconditionError(
    'RECORD_OF_ANOTHER_IMAGE',
    `${first.file} is a record of ${digestOf(first) ?? 'no image'}, ${other.file} one of ${digestOf(other) ?? 'no image'}: ` +
      'records of one image can be merged; optimizer records rebase carries a record to another image',
  )
}

interface Access {
  entry: RecordEntry
  file: string
  /** Since the start of the record's first workload. */
  microseconds: number
  /** In its record. */
  position: number
  weight: number
}

function accessesOf({ record, weight }: MergedRun): Access[] {
  const begins = workloadBegins(record.header)
  return record.entries.map((entry, position) => ({
    entry,
    file: fileOf(entry),
    microseconds: entry.firstAccessMicroseconds + (begins.get(entry.workload ?? '') ?? 0),
    position,
    weight,
  }))
}

interface FileWeight {
  /** Runs that have read it, in whatever phase. */
  count: number
  weight: number
}

function weightsOfFiles(accesses: readonly (readonly Access[])[]): Map<string, FileWeight> {
  const weights = new Map<string, FileWeight>()
  for (const run of accesses)
    for (const [file, weight] of new Map(run.map(({ file, weight }) => [file, weight]))) {
      const known = weights.get(file) ?? { count: 0, weight: 0 }
      weights.set(file, { count: known.count + 1, weight: known.weight + weight })
    }
  return weights
}

/** @param group of one file in one phase, at most one for each run */
function mergedAccess(group: readonly Access[]): Access {
  const sorted = [...group].sort((a, b) => a.microseconds - b.microseconds || a.position - b.position)
  const half = group.reduce((sum, { weight }) => sum + weight, 0) / 2
  let before = 0
  const median = sorted.find(({ weight }) => {
    before += weight
    return before >= half - ROUNDING
  }) as Access
  const { probe, ...entry } = median.entry
  const kinds = group.map((access) => access.entry.kinds).reduce(allKinds)
  const isProbe = group.every((access) => access.entry.probe === true)
  return { ...median, entry: { ...entry, kinds, ...(isProbe ? { probe: true as const } : {}) } }
}

/** Of the first, but for what is of all of them. */
function mergedHeader(runs: readonly MergedRun[]): RecordHeader {
  const [first] = runs as [MergedRun]
  const headers = runs.map(({ record }) => record.header)
  const workloads = new Map<string, RecordedWorkload>()
  for (const workload of headers.flatMap((header) => header.workloads ?? []))
    if (!workloads.has(workload.name)) workloads.set(workload.name, workload)
  return {
    ...first.record.header,
    reads: headers.every(({ reads }) => reads),
    ...(workloads.size === 0 ? {} : { workloads: [...workloads.values()] }),
    sources: runs.map(sourceOf),
    durationSeconds: Math.max(...headers.map(({ durationSeconds }) => durationSeconds)),
    counters: headers.map(({ counters }) => counters).reduce(sumOfCounters),
    complete: headers.every(({ complete }) => complete),
    incompleteReasons: runs.flatMap(({ file, record }) =>
      record.header.incompleteReasons.map((reason) => `${file}: ${reason}`),
    ),
  }
}

function sourceOf({ file, digest, record, weight }: MergedRun): RecordSource {
  const { workload, started, durationSeconds, complete } = record.header
  const files = new Set(record.entries.map(fileOf)).size
  return { file, digest, args: workload.args, started, durationSeconds, files, weight, complete }
}

/** By code units: alike on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

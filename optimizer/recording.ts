/** From a run to a record that may be converted by. */
import { randomBytes } from 'node:crypto'
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { IncompleteRecordError, PreconditionError, WorkloadError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import {
  type AccessRecord,
  formatRecord,
  RECORD_SCHEMA_VERSION,
  type RecordHeader,
} from '../shared/record.ts'
import { printable } from './console.ts'
import { formatPlatform } from './image/platform.ts'
import { attribute } from './record/attribute.ts'
import { type IndexedEntry, LayerIndex } from './record/layer-index.ts'
import { mergeWorkloads } from './record/merge-workloads.ts'
import type { NamedRun } from './record-workloads.ts'
import type { ResolvedImage } from './store/resolve.ts'
import { packageVersion } from './version.ts'
import type { WorkloadRun } from './workload/run-workload.ts'
import type { UpperFiles } from './workload/upper-files.ts'

/** How many paths in no layer are named at debug level. */
const OUTSIDE_NAMED_MAX = 100

/** What a record is for, as asked for. */
export interface RecordingOptions {
  /** Where the record is written, or null. */
  recordOut: string | null
  /** What becomes of a record that is known to miss accesses. */
  onLoss: 'fail' | 'warn'
  /** Whether a record of nothing will do, as one of a workload that has failed. */
  allowWorkloadFailure: boolean
  /** Whether what the runtime's init and hooks read is kept. */
  createPhase: boolean
}

/**
 * From the runs of the workloads to a record that is written where it was asked for and fit for use. One that is not fit is written too.
 * @throws {PreconditionError} RECORD_NOT_WRITTEN
 * @throws as {@link requireUsableRecord}
 */
export function concludeRecord(
  runs: readonly NamedRun[],
  image: ResolvedImage,
  layers: readonly { entries: readonly IndexedEntry[] }[],
  options: RecordingOptions,
  log: Log,
): AccessRecord {
  const index = new LayerIndex(layers.map(({ entries }) => entries))
  const record = mergeWorkloads(
    runs.map(({ name, run }) => ({ name, record: makeRecord(run, image, index, options, log) })),
  )
  if (options.recordOut !== null) writeRecordFile(options.recordOut, record)
  requireUsableRecord(record, options, log)
  return record
}

export function makeRecord(
  run: WorkloadRun,
  image: ResolvedImage,
  index: LayerIndex<IndexedEntry>,
  { createPhase }: Pick<RecordingOptions, 'createPhase'>,
  log: Log,
): AccessRecord {
  const { entries, outsideLayers, copiedUp, createLeftOut } = attribute(run.accesses, {
    index,
    manifestDigest: image.descriptor.digest,
    manifest: image.manifest,
    mountPoint: run.mountPoint,
    withoutCreatePhase: !createPhase,
    probePids: run.probePids,
    copiedUp: run.upper?.copiedUp ?? [],
    endMicroseconds: Math.round(run.durationSeconds * 1e6),
  })
  for (const path of outsideLayers.slice(0, OUTSIDE_NAMED_MAX))
    log.debug(`read, but in no layer: /${printable(path.toString())}`)
  for (const path of run.upper?.unnamed ?? [])
    log.warn(`copied up and renamed, its old name cannot be told: /${printable(path.toString())}`)
  const { name, version } = packageVersion()
  const header: RecordHeader = {
    schemaVersion: RECORD_SCHEMA_VERSION,
    recordedBy: `${name} ${version}`,
    image: {
      reference: image.name,
      manifestDigest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    workload: { args: run.args, envNames: run.envNames, cwd: run.cwd, user: run.user },
    kernel: release(),
    mark: run.mark,
    reads: run.reads,
    stop: run.stop,
    ...(run.drive.length === 0 ? {} : { drive: [...run.drive] }),
    started: run.started.toISOString(),
    durationSeconds: run.durationSeconds,
    exitStatus: run.exitStatus,
    counters: {
      ...run.counters,
      received: run.accesses.length,
      outsideLayers: outsideLayers.length,
      madeAtRunTime: run.upper === null ? null : madeOf(outsideLayers, run.upper),
      copiedUp,
      byProbe: entries.filter(({ probe }) => probe).length,
      createLeftOut,
    },
    complete: run.lost.length === 0,
    incompleteReasons: run.lost,
  }
  return { header, entries }
}

function madeOf(outsideLayers: readonly Buffer[], upper: UpperFiles): number {
  return outsideLayers.filter((path) => upper.made.has(path.toString('latin1'))).length
}

/**
 * A record that lacks something must not decide what a client prefetches, unless somebody says so.
 * @throws {IncompleteRecordError}
 * @throws {WorkloadError} NOTHING_RECORDED
 */
export function requireUsableRecord(
  record: AccessRecord,
  options: Pick<RecordingOptions, 'onLoss' | 'allowWorkloadFailure'>,
  log: Log,
): void {
  const { complete, incompleteReasons } = record.header
  const incomplete = `the record is incomplete: ${incompleteReasons.join('; ')}`
  if (!complete && options.onLoss === 'fail')
    throw new IncompleteRecordError(
      `${incomplete}: no image is written; run again, or take it as it is with --on-loss warn`,
    )
  if (!complete) log.warn(`${incomplete}; going on, as --on-loss warn says`)
  if (record.entries.length > 0) return
  if (!options.allowWorkloadFailure) {
    throw new WorkloadError(
      'NOTHING_RECORDED',
      'the workload read no file of the image: no image is written; check --entrypoint and --args',
    )
  }
  log.warn('the workload read no file of the image')
}

/**
 * Whole or not at all, except into what is no regular file: a pipe or a device, such as /dev/stdout, stays what it is.
 * A link stays, too; what it leads to is written.
 * @throws {PreconditionError} RECORD_NOT_WRITTEN
 */
export function writeRecordFile(path: string, record: AccessRecord): void {
  const text = formatRecord(record)
  try {
    const present = statSync(path, { throwIfNoEntry: false })
    if (present?.isFile() === false) writeFileSync(path, text)
    else replaceFile(present === undefined ? path : realpathSync(path), text)
  } catch (cause) {
    throw new PreconditionError(
      'RECORD_NOT_WRITTEN',
      `cannot write the record to ${path}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function replaceFile(path: string, text: string): void {
  // By chance: of a process in a container the next one has the same number.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.partial`
  try {
    writeFileSync(temporary, text, { flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** From a run to a record that may be converted by. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { IncompleteRecordError, PreconditionError, WorkloadError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { type AccessRecord, formatRecord, RECORD_SCHEMA_VERSION } from '../shared/record.ts'
import { printable } from './console.ts'
import { formatPlatform, hostPlatform, type Platform, platformMatches } from './image/platform.ts'
import { attribute } from './record/attribute.ts'
import type { LayerIndex } from './record/layer-index.ts'
import type { ResolvedImage } from './store/resolve.ts'
import { packageVersion } from './version.ts'
import type { WorkloadRun } from './workload/run-workload.ts'

/** How many paths in no layer are named at debug level. */
const OUTSIDE_NAMED_MAX = 100

export function makeRecord(
  run: WorkloadRun,
  image: ResolvedImage,
  index: LayerIndex,
  log: Log,
): AccessRecord {
  const { entries, outsideLayers } = attribute(run.accesses, {
    index,
    manifestDigest: image.descriptor.digest,
    manifest: image.manifest,
    mountPoint: run.mountPoint,
  })
  for (const path of outsideLayers.slice(0, OUTSIDE_NAMED_MAX))
    log.debug(`read, but in no layer: /${printable(path.toString())}`)
  const received = run.accesses.length
  const lost = [...run.lost]
  if (received !== run.counters.sent)
    lost.push(`the notifier sent ${run.counters.sent} accesses, ${received} arrived`)
  const { name, version } = packageVersion()
  return {
    header: {
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
      stop: run.stop,
      started: run.started.toISOString(),
      durationSeconds: run.durationSeconds,
      exitStatus: run.exitStatus,
      counters: { ...run.counters, received, outsideLayers: outsideLayers.length },
      complete: lost.length === 0,
      incompleteReasons: lost,
    },
    entries,
  }
}

/**
 * A record that lacks something must not decide what a client prefetches.
 * @throws {IncompleteRecordError}
 * @throws {WorkloadError} NOTHING_RECORDED
 */
export function requireUsableRecord(record: AccessRecord): void {
  const { complete, incompleteReasons } = record.header
  if (!complete)
    throw new IncompleteRecordError(
      `the record is incomplete: ${incompleteReasons.join('; ')}: no image is written; run again`,
    )
  if (record.entries.length === 0) {
    throw new WorkloadError(
      'NOTHING_RECORDED',
      'the workload read no file of the image: no image is written; check --entrypoint and --args',
    )
  }
}

/** 32-bit x86 programs run on x86-64 as they are. */
const ALSO_RUNS: Record<string, string> = { amd64: '386', arm64: 'arm' }

/** @throws {PreconditionError} PLATFORM_NOT_RUNNABLE when this machine cannot run the platform's programs */
export function requireWorkloadPlatform(platform: Platform): void {
  const host = hostPlatform()
  if (platformMatches(host, platform)) return
  if (platform.os === host.os && platform.architecture === ALSO_RUNS[host.architecture]) return
  throw new PreconditionError(
    'PLATFORM_NOT_RUNNABLE',
    `this machine (${formatPlatform(host)}) cannot run ${formatPlatform(platform)} to record it: record on such a machine, or ` +
      'convert without recording with --no-optimize',
  )
}

/** Whole or not at all. @throws {PreconditionError} RECORD_NOT_WRITTEN */
export function writeRecordFile(path: string, record: AccessRecord): void {
  const temporary = `${path}.${process.pid}.partial`
  try {
    writeFileSync(temporary, formatRecord(record), { flag: 'wx' })
    renameSync(temporary, path)
  } catch (cause) {
    rmSync(temporary, { force: true })
    throw new PreconditionError(
      'RECORD_NOT_WRITTEN',
      `cannot write the record to ${path}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

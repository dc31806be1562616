/** Records in a few words, for tests. */
import type { AccessRecord, RecordEntry, RecordHeader } from '../../shared/record.ts'

export const RECORD_COUNTERS: RecordHeader['counters'] = {
  read: 1,
  merged: 0,
  sent: 1,
  overflows: 0,
  descriptorErrors: 0,
  unresolved: 0,
  deleted: 0,
  ignoredOwn: 0,
  received: 1,
  outsideLayers: 2,
  madeAtRunTime: 1,
  copiedUp: 0,
  byProbe: 0,
  createLeftOut: 0,
}

export function recordEntry(path: string, change: Partial<RecordEntry> = {}): RecordEntry {
  return {
    path: Buffer.from(path),
    manifestDigest: null,
    layerIndex: 0,
    layerDigest: null,
    phase: 'run',
    kinds: ['open'],
    firstAccessMicroseconds: 5,
    sizeBytes: 1,
    pid: 7,
    command: null,
    ...change,
  }
}

export function sampleRecord(entries: RecordEntry[], change: Partial<RecordHeader> = {}): AccessRecord {
  return {
    header: {
      schemaVersion: 1,
      recordedBy: 'test 1.0',
      image: null,
      workload: { args: ['run'], envNames: [], cwd: '/', user: '' },
      kernel: '6.1.0',
      mark: { kind: 'filesystem', reason: 'overlay' },
      reads: false,
      stop: { rule: 'exit', reason: 'it ended', readySeconds: null },
      started: '2026-01-01T00:00:00.000Z',
      durationSeconds: 2,
      exitStatus: 0,
      counters: RECORD_COUNTERS,
      complete: true,
      incompleteReasons: [],
      ...change,
    },
    entries,
  }
}

/** Several workloads of one image in one record. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mergeWorkloads } from '../../optimizer/record/merge-workloads.ts'
import {
  type AccessRecord,
  formatRecord,
  parseRecord,
  type RecordEntry,
  type RecordHeader,
} from '../../shared/record.ts'

const COUNTERS: RecordHeader['counters'] = {
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

function entry(path: string, change: Partial<RecordEntry> = {}): RecordEntry {
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

function record(args: string[], entries: RecordEntry[], change: Partial<RecordHeader> = {}): AccessRecord {
  return {
    header: {
      schemaVersion: 1,
      recordedBy: 'test 1.0',
      image: null,
      workload: { args, envNames: [], cwd: '/', user: '' },
      kernel: '6.1.0',
      mark: { kind: 'filesystem', reason: 'overlay' },
      reads: false,
      stop: { rule: 'exit', reason: 'it ended', readySeconds: null },
      started: '2026-01-01T00:00:00.000Z',
      durationSeconds: 2,
      exitStatus: 0,
      counters: COUNTERS,
      complete: true,
      incompleteReasons: [],
      ...change,
    },
    entries,
  }
}

describe('the record of several workloads', () => {
  const server = record(
    ['serve'],
    [entry('bin/sh', { phase: 'create' }), entry('bin/serve'), entry('etc/conf')],
  )
  const job = record(
    ['work'],
    [entry('bin/sh', { phase: 'create' }), entry('etc/conf', { kinds: ['exec'] }), entry('bin/work')],
    { exitStatus: 3, counters: { ...COUNTERS, madeAtRunTime: null } },
  )
  const merged = mergeWorkloads([
    { name: 'server', record: server },
    { name: 'job', record: job },
  ])

  it('has their files in their order, each once per phase, with the name of who read it first', () => {
    assert.deepEqual(
      merged.entries.map(({ path, phase, workload }) => `${workload} ${phase} ${path}`),
      ['server create bin/sh', 'server run bin/serve', 'server run etc/conf', 'job run bin/work'],
    )
    assert.deepEqual(merged.entries[2]?.kinds, ['open', 'exec'])
  })

  it('lists them in the header, and sums up what is counted', () => {
    const { workloads, workload, durationSeconds, counters, complete } = merged.header
    assert.deepEqual(
      workloads?.map(({ name, args, exitStatus, files }) => ({ name, args, exitStatus, files })),
      [
        { name: 'server', args: ['serve'], exitStatus: 0, files: 3 },
        { name: 'job', args: ['work'], exitStatus: 3, files: 3 },
      ],
    )
    assert.deepEqual([workload.args, durationSeconds, complete], [['serve'], 4, true])
    assert.deepEqual([counters.read, counters.outsideLayers, counters.madeAtRunTime], [2, 4, null])
  })

  it('is incomplete where one is, and says which', () => {
    const lossy = record(['x'], [], { complete: false, incompleteReasons: ['an overflow'] })
    const { complete, incompleteReasons } = mergeWorkloads([
      { name: 'server', record: server },
      { name: 'lossy', record: lossy },
    ]).header
    assert.deepEqual([complete, incompleteReasons], [false, ['lossy: an overflow']])
  })

  it('is read as it was written', () => {
    assert.deepEqual(parseRecord(formatRecord(merged)), merged)
  })

  it('of one workload without a name is that workload’s', () => {
    assert.equal(mergeWorkloads([{ name: null, record: server }]), server)
  })
})

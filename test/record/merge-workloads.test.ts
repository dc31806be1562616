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
import { RECORD_COUNTERS, recordEntry, sampleRecord } from '../helpers/sample-record.ts'

const COUNTERS = RECORD_COUNTERS
const entry = recordEntry

function record(args: string[], entries: RecordEntry[], change: Partial<RecordHeader> = {}): AccessRecord {
  return sampleRecord(entries, { workload: { args, envNames: [], cwd: '/', user: '' }, ...change })
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

/** Records of several runs of one image in one record. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type MergedRun, mergeRuns, type Quorum } from '../../optimizer/record/merge-runs.ts'
import { formatRecord, parseRecord, type RecordEntry } from '../../shared/record.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'

const IMAGE = { reference: 'a', manifestDigest: `sha256:${'a'.repeat(64)}`, platform: 'linux/amd64' }
const at = (path: string, firstAccessMicroseconds: number, change: Partial<RecordEntry> = {}) =>
  recordEntry(path, { firstAccessMicroseconds, ...change })

function run(file: string, entries: RecordEntry[], change: Partial<MergedRun> = {}): MergedRun {
  return {
    file,
    digest: `sha256:${file}`,
    weight: 1,
    record: sampleRecord(entries, { image: IMAGE }),
    ...change,
  }
}

const merged = (runs: MergedRun[], quorum: Quorum = { count: 1 }) =>
  mergeRuns(runs, quorum).entries.map(({ path, firstAccessMicroseconds }) => [
    String(path),
    firstAccessMicroseconds,
  ])

const RUNS = [
  run('one', [at('sh', 1), at('conf', 10), at('late', 20)]),
  run('two', [at('sh', 2), at('late', 5), at('conf', 30)]),
  run('three', [at('sh', 3), at('conf', 12), at('rare', 13), at('late', 50)]),
]

describe('Records of several runs, merged,', () => {
  it('have what any of them has, by the medians of the times', () => {
    assert.deepEqual(merged(RUNS), [
      ['sh', 2],
      ['conf', 12],
      ['rare', 13],
      ['late', 20],
    ])
  })

  it('have what a quorum of them has, by number or by share of the weights', () => {
    assert.deepEqual(
      merged(RUNS, { count: 2 }).map(([path]) => path),
      ['sh', 'conf', 'late'],
    )
    const heavy = [...RUNS.slice(0, 2), { ...(RUNS[2] as MergedRun), weight: 3 }]
    assert.deepEqual(
      merged(heavy, { share: 0.6 }).map(([path]) => path),
      ['sh', 'conf', 'rare', 'late'],
    )
    assert.deepEqual(
      merged(heavy, { share: 0.61 }).map(([path]) => path),
      ['sh', 'conf', 'late'],
    )
  })

  it('follow the heavier ones', () => {
    const weights = [1, 5, 1]
    const heavy = RUNS.map((one, index) => ({ ...one, weight: weights[index] as number }))
    assert.deepEqual(merged(heavy, { count: 3 }), [
      ['sh', 2],
      ['late', 5],
      ['conf', 30],
    ])
  })

  it('keep the order of a record that is alone, also of accesses of one time', () => {
    const entries = [at('z', 5), at('a', 5), at('m', 7), at('end', 7, { kinds: ['copy-up'] })]
    assert.deepEqual(mergeRuns([run('one', entries)], { count: 1 }).entries, entries)
  })

  it('take the earlier one of two, with the kinds of both and who was first there', () => {
    const [entry] = mergeRuns(
      [
        run('one', [at('sh', 9, { kinds: ['open', 'read'], pid: 1, probe: true })]),
        run('two', [at('sh', 4, { kinds: ['exec'], pid: 2 })]),
      ],
      { count: 1 },
    ).entries
    assert.deepEqual(entry, at('sh', 4, { kinds: ['open', 'exec', 'read'], pid: 2 }))
  })

  it('tell phases apart, and count a file once for its quorum', () => {
    const runs = [run('one', [at('sh', -5, { phase: 'create' })]), run('two', [at('sh', 4)])]
    assert.deepEqual(merged(runs, { count: 2 }), [
      ['sh', -5],
      ['sh', 4],
    ])
  })

  it('have workloads of one record one after the other', () => {
    const workload = {
      args: [],
      stop: { rule: 'exit', reason: '', readySeconds: null },
      started: '',
      exitStatus: 0,
    }
    const both = [
      { ...workload, name: 'a', durationSeconds: 1, files: 1 },
      { ...workload, name: 'b', durationSeconds: 1, files: 1 },
    ]
    const entries = [at('x', 500_000, { workload: 'a' }), at('y', 10, { workload: 'b' })]
    const record = sampleRecord(entries, { image: IMAGE, workloads: both })
    assert.deepEqual(
      merged([run('one', [], { record })]).map(([path]) => path),
      ['x', 'y'],
    )
  })

  it('have the workloads of the first that has them', () => {
    const workload = {
      args: [],
      stop: { rule: 'exit', reason: '', readySeconds: null },
      started: '',
      exitStatus: 0,
    }
    const of = (name: string, durationSeconds: number) =>
      run(name, [], {
        record: sampleRecord([], {
          image: IMAGE,
          workloads: [{ ...workload, name: 'a', files: 0, durationSeconds }],
        }),
      })
    const { workloads } = mergeRuns([of('one', 1), of('two', 2)], { count: 1 }).header
    assert.deepEqual(
      workloads?.map(({ durationSeconds }) => durationSeconds),
      [1],
    )
  })

  it('say in their header what they are made of, and are whole when all are', () => {
    const lossy = sampleRecord([at('sh', 1)], {
      image: IMAGE,
      complete: false,
      incompleteReasons: ['lost 2'],
    })
    const { header, entries } = mergeRuns(
      [RUNS[0] as MergedRun, run('lossy', [], { record: lossy, weight: 2 })],
      {
        count: 1,
      },
    )
    assert.deepEqual(
      header.sources?.map(({ file, digest, weight, files, complete }) => [
        file,
        digest,
        weight,
        files,
        complete,
      ]),
      [
        ['one', 'sha256:one', 1, 3, true],
        ['lossy', 'sha256:lossy', 2, 1, false],
      ],
    )
    assert.deepEqual([header.complete, header.incompleteReasons], [false, ['lossy: lost 2']])
    assert.equal(header.counters.received, 2)
    assert.deepEqual(parseRecord(formatRecord({ header, entries })), { header, entries })
  })

  it('are of one image', () => {
    const other = sampleRecord([], { image: { ...IMAGE, manifestDigest: 'sha256:b' } })
    assert.throws(() => merged([RUNS[0] as MergedRun, run('other', [], { record: other })]), {
      code: 'RECORD_OF_ANOTHER_IMAGE',
    })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { diffRecords } from '../../optimizer/record/diff-records.ts'
import { formatRecordsDiff, recordsDifferError } from '../../optimizer/record/diff-text.ts'
import type { RecordEntry } from '../../shared/record.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'

const IMAGE = { reference: 'a', manifestDigest: `sha256:${'a'.repeat(64)}`, platform: 'linux/amd64' }
const record = (...entries: (string | RecordEntry)[]) =>
  sampleRecord(
    entries.map((entry) => (typeof entry === 'string' ? recordEntry(entry) : entry)),
    { image: IMAGE },
  )

describe('The difference of two records', () => {
  it('is none where they name the same files in the same order, each once', () => {
    const twice = record(recordEntry('a', { phase: 'create' }), 'b', 'a')
    const diff = diffRecords(twice, record('a', 'b'))
    assert.equal(diff.equal, true)
    assert.deepEqual(diff.order, { same: true, agreement: 1, firstDifference: null })
  })

  it('is what one of them has alone', () => {
    const diff = diffRecords(record('a', 'b', 'c'), record('a', 'c', 'd'))
    assert.deepEqual([diff.equal, diff.both, diff.order.same], [false, 2, true])
    assert.deepEqual(
      [diff.onlyFirst, diff.onlySecond].map((files) => files.map(({ path }) => path)),
      [['b'], ['d']],
    )
    assert.match(
      formatRecordsDiff(diff, 'x', 'y'),
      /in both: 2 files, in the same order\nonly in x: 1 file\n {2}\/b\n/,
    )
    const error = recordsDifferError(diff, 'x', 'y', false)
    assert.deepEqual([error.code, error.exitCode], ['RECORDS_DIFFER', 6])
  })

  it('is the order of what both have', () => {
    const diff = diffRecords(record('a', 'x', 'b', 'c', 'd'), record('b', 'a', 'c', 'd', 'y'))
    assert.deepEqual(diff.order, {
      same: false,
      agreement: 5 / 6,
      firstDifference: { position: 0, first: 'a', second: 'b' },
    })
    assert.equal(diffRecords(record('a', 'b', 'c'), record('c', 'b', 'a')).order.agreement, 0)
    assert.equal(diffRecords(record('a', 'b'), record('b', 'a')).equal, false)
    assert.equal(diffRecords(record('a', 'b'), record('b', 'a'), true).equal, true)
    assert.match(recordsDifferError(diff, 'x', 'y', false).message, /the order is another one$/)
    assert.match(recordsDifferError(diff, 'x', 'y', true).message, /1 file in y alone$/)
  })

  it('tells layers of one image apart, and takes files of different images by path', () => {
    const [low, high] = [recordEntry('a', { layerIndex: 0 }), recordEntry('a', { layerIndex: 1 })]
    assert.equal(diffRecords(record(low), record(high)).equal, false)
    const other = sampleRecord([high], { image: { ...IMAGE, manifestDigest: 'sha256:b' } })
    const diff = diffRecords(record(low), other)
    assert.deepEqual([diff.equal, diff.sameImage], [true, false])
  })
})

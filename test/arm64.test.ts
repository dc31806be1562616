/** What the matrix says of conversions on two machines. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compare } from './arm64.ts'

const OURS = new Map([
  ['--uncompress', 'sha256:a'],
  ['--zstdchunked', 'sha256:b'],
])

describe('conversions on two machines', () => {
  it('pass where the digests are equal', () => {
    assert.deepEqual(compare(OURS, new Map(OURS)), { passed: 2, failed: [], skipped: [] })
  })

  it('fail where one is another, or missing', () => {
    assert.deepEqual(compare(OURS, new Map([['--uncompress', 'sha256:c']])), {
      passed: 0,
      failed: [
        'convert --uncompress: sha256:a here, sha256:c there',
        'convert --zstdchunked: sha256:b here, nothing there',
      ],
      skipped: [],
    })
  })

  it('fail where there are none', () => {
    const { passed, failed } = compare(new Map(), new Map())
    assert.deepEqual([passed, failed.length], [0, 1])
  })
})

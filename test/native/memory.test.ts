import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forgetContent, releaseMemory } from '../../native/memory.ts'

const BYTES = 256 * 1024
/** Of arm64; elsewhere they are smaller. */
const PAGE_BYTES_MAX = 64 * 1024

describe('memory released', () => {
  it('is gone for every view of it', () => {
    const bytes = Buffer.allocUnsafeSlow(BYTES)
    const view = bytes.subarray(10, 20)
    releaseMemory(bytes)
    assert.deepEqual([bytes.length, view.length, bytes.buffer.byteLength], [0, 0, 0])
  })

  it('goes with the last of the pieces that share it', () => {
    const memory = Buffer.allocUnsafeSlow(BYTES)
    const [first, last] = [memory.subarray(0, 1000), memory.subarray(1000)]
    releaseMemory(first)
    assert.equal(memory.length, BYTES)
    releaseMemory(last)
    assert.equal(memory.length, 0)
  })

  it('is not what others may have parts of: small buffers, shared ones', () => {
    const pooled = Buffer.from('in the pool of Node')
    const shared = Buffer.from(new SharedArrayBuffer(BYTES))
    releaseMemory(pooled)
    releaseMemory(pooled.subarray(pooled.length))
    releaseMemory(shared)
    assert.equal(pooled.toString(), 'in the pool of Node')
    assert.equal(shared.length, BYTES)
  })
})

describe('memory whose content is forgotten', () => {
  it('is zeros, but for the pages that it has not to itself, and takes what is written to it later', () => {
    const memory = Buffer.from(new SharedArrayBuffer(BYTES)).fill(1)
    const part = memory.subarray(1, -1)
    forgetContent(part)
    const [before, after] = [memory[0], memory.at(-1)]
    assert.deepEqual([part.length, before, after], [BYTES - 2, 1, 1])
    assert.deepEqual([...new Set(memory.subarray(PAGE_BYTES_MAX, -PAGE_BYTES_MAX))], [0])
    part.fill(2)
    assert.deepEqual([...new Set(part)], [2])
  })

  it('may be less than a page', () => {
    const small = Buffer.from('in the pool of Node')
    forgetContent(small)
    assert.equal(small.toString(), 'in the pool of Node')
  })
})

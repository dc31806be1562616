import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { releaseMemory } from '../../native/memory.ts'

const BYTES = 128 * 1024

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

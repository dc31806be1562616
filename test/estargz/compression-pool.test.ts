import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { compressionEngine } from '../../native/compression.ts'
import type { Codec } from '../../optimizer/estargz/codec.ts'
import {
  BATCH_BYTES,
  CompressionError,
  CompressionPool,
  type CompressJob,
} from '../../optimizer/estargz/compression-pool.ts'
import { digestOf } from '../../optimizer/image/digest.ts'

/** Of arm64; elsewhere they are smaller. */
const PAGE_BYTES_MAX = 64 * 1024
const CODEC: Codec = { engine: compressionEngine().name, level: 1 }

function job(memberLengths: Uint32Array): CompressJob {
  return { codec: CODEC, memberLengths, payloads: new Uint32Array() }
}

describe('The compression pool', () => {
  let pool: CompressionPool
  beforeEach(() => {
    pool = new CompressionPool({ workers: 1 })
  })
  afterEach(() => pool.close())

  /** How many batches of `bytes` are admitted while none goes back. */
  async function admitted(bytes: number, wanted: number): Promise<number> {
    let count = 0
    for (let index = 0; index < wanted; index++) void pool.acquire(Uint32Array.of(bytes)).then(() => count++)
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    return count
  }

  it('gives members and the digests of what they begin with', async () => {
    const lengths = Uint32Array.of(10, 5)
    const buffers = await pool.acquire(lengths)
    buffers.input.write('content...other')
    const { memberLengths, payloadDigests } = await pool.compress(buffers, {
      codec: CODEC,
      memberLengths: lengths,
      payloads: Uint32Array.of(0, 7),
    })
    const [first = 0, second = 0] = memberLengths
    assert.equal(gunzipSync(buffers.output.subarray(0, first)).toString(), 'content...')
    assert.equal(gunzipSync(buffers.output.subarray(first, first + second)).toString(), 'other')
    assert.deepEqual(payloadDigests, [digestOf('content').slice('sha256:'.length)])
  })

  it('admits few batches at a time, however small their bytes', async () => {
    assert.equal(await admitted(BATCH_BYTES, 100), 3)
    await pool.close()
    pool = new CompressionPool({ workers: 1 })
    assert.equal(await admitted(1, 100), 3)
  })

  it('admits a batch larger than its bound when nothing else is under way', async () => {
    assert.equal(await admitted(20 * BATCH_BYTES, 3), 1)
  })

  it('admits the next when memory goes back', async () => {
    const lengths = Uint32Array.of(3 * BATCH_BYTES)
    const first = await pool.acquire(lengths)
    let second = false
    const waiting = pool.acquire(lengths).then((buffers) => {
      second = true
      return buffers
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(second, false)
    pool.release(first)
    pool.release(await waiting)
  })

  it('admits in turn: who needs much is not overtaken by those who need little', async () => {
    const small = () => pool.acquire(Uint32Array.of(BATCH_BYTES))
    const held = [await small(), await small()]
    const admitted: string[] = []
    const large = pool.acquire(Uint32Array.of(3 * BATCH_BYTES)).then((buffers) => {
      admitted.push('large')
      return buffers
    })
    const last = small().then((buffers) => {
      admitted.push('small')
      return buffers
    })
    for (const buffers of held) {
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(admitted, [])
      pool.release(buffers)
    }
    pool.release(await large)
    pool.release(await last)
    assert.deepEqual(admitted, ['large', 'small'])
  })

  it('uses memory again that went back', async () => {
    const first = await pool.acquire(Uint32Array.of(10))
    pool.release(first)
    assert.equal((await pool.acquire(Uint32Array.of(20))).input.buffer, first.input.buffer)
  })

  it('keeps no pages that nobody uses beside a slow job, nor those of a member larger than usual', async () => {
    const lengths = Uint32Array.of(10)
    const [busy, idle] = [await pool.acquire(lengths), await pool.acquire(lengths)]
    idle.input.fill(1)
    pool.release(idle)
    await pool.compress(busy, { ...job(lengths), isSlow: true })
    pool.release(busy)
    const large = await pool.acquire(Uint32Array.of(2 * BATCH_BYTES))
    large.input.fill(1)
    pool.release(large)
    for (const { input } of [idle, large])
      assert.deepEqual([...new Set(input.subarray(PAGE_BYTES_MAX, -PAGE_BYTES_MAX))], [0])
  })

  it('says what went wrong in a thread, and goes on', async () => {
    const lengths = Uint32Array.of(10)
    const buffers = await pool.acquire(lengths)
    const tooLong = Uint32Array.of(buffers.input.length + 1)
    await assert.rejects(
      () => pool.compress(buffers, job(tooLong)),
      (error) => error instanceof CompressionError && error.code === 'COMPRESSION_FAILED',
    )
    assert.equal((await pool.compress(buffers, job(lengths))).memberLengths.length, 1)
  })

  it('fails what is under way when it is closed, and all that comes later', async () => {
    const lengths = Uint32Array.of(BATCH_BYTES)
    const buffers = await pool.acquire(lengths)
    const underWay = assert.rejects(() => pool.compress(buffers, job(lengths)), /the pool is closed/)
    await pool.close()
    await underWay
    await assert.rejects(() => pool.compress(buffers, job(lengths)), /the pool is closed/)
  })
})

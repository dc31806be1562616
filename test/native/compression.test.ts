import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { gunzipSync } from 'node:zlib'
import {
  type CompressionEngine,
  compressionEngine,
  createMemberCompressor,
  memberBytesMax,
} from '../../native/compression.ts'
import { UsageError } from '../../shared/errors.ts'

const ENGINES: CompressionEngine[] = [compressionEngine(), compressionEngine('zlib')]

/** Nothing, a byte, text, noise, zeros: with lengths that are no round numbers. */
const CHUNKS = [
  Buffer.alloc(0),
  Buffer.from('x'),
  Buffer.from('some text '.repeat(777)),
  randomBytes(100_003),
  Buffer.alloc(300_001),
  randomBytes(5),
]

function compressed(engine: CompressionEngine, level: number, chunks: Buffer[]): Buffer[] {
  const lengths = Uint32Array.from(chunks, (chunk) => chunk.length)
  const outputBytes = chunks.reduce((sum, chunk) => sum + memberBytesMax(chunk.length), 0)
  // Shared memory, as the threads use it.
  const input = new Uint8Array(new SharedArrayBuffer(Buffer.concat(chunks).length))
  input.set(Buffer.concat(chunks))
  const output = Buffer.from(new SharedArrayBuffer(outputBytes))
  const members = new Uint32Array(chunks.length)
  const total = createMemberCompressor(level, engine.name).compress(input, lengths, output, members)
  let end = 0
  const found = [...members].map((bytes) => {
    end += bytes
    return Buffer.from(output.subarray(end - bytes, end))
  })
  assert.equal(end, total)
  return found
}

for (const engine of ENGINES) {
  describe(`The engine ${engine.name}`, () => {
    it('names its version', () => assert.match(engine.version, /^\d+\.\d+/))

    it('makes of each chunk a member that inflates to it, at every level, within the bound', () => {
      for (let level = 1; level <= engine.levelMax; level++) {
        for (const [index, member] of compressed(engine, level, CHUNKS).entries()) {
          const chunk = CHUNKS[index] as Buffer
          assert.deepEqual(gunzipSync(member), chunk)
          assert.ok(member.length <= memberBytesMax(chunk.length))
        }
      }
    })

    it('gives every member the same header', () => {
      for (const level of [1, 6, 9]) {
        for (const member of compressed(engine, level, CHUNKS)) {
          assert.equal(member.toString('hex', 0, 10), '1f8b08000000000000ff')
        }
      }
    })

    it('makes the same of a chunk alone as among others', () => {
      const together = compressed(engine, 6, CHUNKS)
      for (const [index, chunk] of CHUNKS.entries()) {
        assert.deepEqual(compressed(engine, 6, [chunk]), [together[index]])
      }
    })

    it('stays within the bound for noise of any length', () => {
      for (let bytes = 1; bytes < 1_000_000; bytes = Math.ceil(bytes * 2.3)) {
        for (const level of [1, engine.levelMax]) {
          const [member] = compressed(engine, level, [randomBytes(bytes)])
          assert.ok((member as Buffer).length <= memberBytesMax(bytes))
        }
      }
    })

    it('refuses levels that it does not have', () => {
      for (const level of [0, engine.levelMax + 1, 1.5, Number.NaN]) {
        assert.throws(
          () => createMemberCompressor(level, engine.name),
          (error) => error instanceof UsageError && error.code === 'COMPRESSION_LEVEL_INVALID',
        )
      }
    })

    it('writes nowhere but into the output it is given', () => {
      const compressor = createMemberCompressor(6, engine.name)
      const chunk = randomBytes(1000)
      assert.throws(() =>
        compressor.compress(chunk, Uint32Array.of(1000), new Uint8Array(100), new Uint32Array(1)),
      )
    })
  })
}

describe('The engine libdeflate', {
  skip: ENGINES[0]?.name === 'zlib' && 'the addon was built without it',
}, () => {
  it('reads no further than its input and counts no further than its lengths', () => {
    const compressor = createMemberCompressor(6, 'libdeflate')
    const output = new Uint8Array(10_000)
    assert.throws(
      () => compressor.compress(new Uint8Array(10), Uint32Array.of(11), output, new Uint32Array(1)),
      /chunks are longer than the input/,
    )
    assert.throws(
      () => compressor.compress(new Uint8Array(10), Uint32Array.of(5, 5), output, new Uint32Array(1)),
      /fewer member lengths than chunks/,
    )
  })

  it('survives the end of a thread that is inside it: an exception can go nowhere then', async () => {
    const module = new URL('../../native/compression.js', import.meta.url).href
    const program = `
      const { parentPort } = require('node:worker_threads')
      import(${JSON.stringify(module)}).then(({ createMemberCompressor }) => {
        const compressor = createMemberCompressor(1, 'libdeflate')
        const one = Uint32Array.of(1), length = new Uint32Array(1), input = new Uint8Array(1)
        parentPort.postMessage('compressing')
        for (;;) compressor.compress(input, one, new Uint8Array(100), length)
      })`
    for (let round = 0; round < 10; round++) {
      const thread = new Worker(program, { eval: true })
      assert.deepEqual(await once(thread, 'message'), ['compressing'])
      await thread.terminate()
    }
  })
})

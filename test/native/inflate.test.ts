/** The inflater beside node:zlib: the same bytes, and the same streams refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { createInflater, type Inflater } from '../../native/inflate.ts'
import fc from '../helpers/property.ts'

const inflater = () => createInflater() as Inflater

interface Outcome {
  content: Buffer
  /** What follows the stream; null where it has not ended. */
  rest: Buffer | null
}

/** Input and output in pieces of these sizes. */
async function inflated(
  stream: Buffer,
  { inputBytes = stream.length, outputBytes = 100_000, by = inflater() } = {},
): Promise<Outcome> {
  const pieces: Buffer[] = []
  const output = Buffer.alloc(outputBytes)
  for (let at = 0; ; ) {
    const input = stream.subarray(at, at + inputBytes)
    const { taken, given, ended } = await by.step(input, output)
    pieces.push(Buffer.from(output.subarray(0, given)))
    at += taken
    const content = () => Buffer.concat(pieces)
    if (ended) return { content: content(), rest: stream.subarray(at) }
    if (given < outputBytes) assert.equal(taken, input.length)
    if (input.length === 0 && given === 0) return { content: content(), rest: null }
  }
}

/** Content of every kind that a layer has: noise, text, long runs, few values, nothing. */
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc
    .array(fc.constantFrom('usr', '/lib', 'python3', ' = ', '\n', 'import '), { maxLength: 3000 })
    .map((words) => Buffer.from(words.join(''))),
  fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 5000 })), {
      maxLength: 8,
    })
    .map((runs) => Buffer.concat(runs.map(([pattern, times]) => Buffer.alloc(times, pattern)))),
  fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3000 }).map((values) => Buffer.from(values)),
)

const options: fc.Arbitrary<ZlibOptions> = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
  strategy: fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FIXED,
    constants.Z_FILTERED,
  ),
})

/** Words of English at a distance from each other that only a whole window reaches, and noise in between. */
function large(): Buffer {
  let seed = 1
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return seed >>> 16
  }
  const pieces = Array.from({ length: 4000 }, () =>
    random() % 3 === 0
      ? Buffer.from(Array.from({ length: random() % 300 }, random))
      : Buffer.alloc(random() % 900, `line ${random() % 50} of a file\n`),
  )
  return Buffer.concat(pieces)
}

describe('Inflater', () => {
  it('gives back what was deflated, however it comes and goes in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        contents,
        options,
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 1, max: 5000 }),
        async (content, how, inputBytes, outputBytes) => {
          const behind = Buffer.from('what follows')
          const stream = Buffer.concat([deflateRawSync(content, how), behind])
          const outcome = await inflated(stream, { inputBytes, outputBytes })
          assert.deepEqual(outcome, { content: Buffer.from(content), rest: behind })
        },
      ),
      { numRuns: 40 },
    )
  })

  it('gives back megabytes, of every level', async () => {
    const content = large()
    for (const level of [0, 1, 4, 6, 9]) {
      const stream = deflateRawSync(content, { level })
      for (const [inputBytes, outputBytes] of [
        [stream.length, 3_000_000],
        [65_537, 131_072],
        [999, 262_144],
      ]) {
        const { content: found, rest } = await inflated(stream, { inputBytes, outputBytes })
        assert.ok(found.equals(content))
        assert.deepEqual(rest, Buffer.alloc(0))
      }
    }
  })

  it('takes one stream after the other', async () => {
    const by = inflater()
    for (const text of ['one', '', 'two'.repeat(50_000), 'three']) {
      const { content } = await inflated(deflateRawSync(text), { inputBytes: 10, outputBytes: 1000, by })
      assert.equal(content.toString(), text)
    }
  })

  it('says that a stream goes on where it is cut off', async () => {
    const stream = deflateRawSync(large().subarray(0, 5000))
    for (let end = 0; end < stream.length; end++)
      assert.equal((await inflated(stream.subarray(0, end), { inputBytes: 64 })).rest, null)
  })

  /** What zlib makes of the same; null: it refuses them. A stream that is cut off is none that it refuses. */
  const byZlib = (stream: Buffer): Buffer | null => {
    try {
      return inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH })
    } catch {
      return null
    }
  }

  const byOurs = async (stream: Buffer, inputBytes: number): Promise<Buffer | null> => {
    try {
      return (await inflated(stream, { inputBytes, outputBytes: 3000 })).content
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      return null
    }
  }

  it('refuses what zlib refuses and nothing else, and makes the same of what is broken and valid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(contents, fc.constant(large().subarray(0, 40_000))),
        options,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5000 }),
        async (content, how, changes, inputBytes) => {
          const stream = deflateRawSync(content, how)
          for (const [at, value] of changes) stream[at % Math.min(stream.length, 200)] = value
          assert.deepEqual(await byOurs(stream, inputBytes), byZlib(stream))
        },
      ),
      { numRuns: 50 },
    )
  })

  for (const [what, stream, pattern] of [
    ['a block of no type', [0b111], /invalid block type/],
    ['a stored block whose length is not told twice', [0b001, 5, 0, 5, 0], /invalid stored block lengths/],
    ['more codes than there can be', [0b11111101, 0x1f, 0, 0], /too many length or distance symbols/],
    ['a copy of what was before the first byte', [0b011, 0b00000010, 0, 0], /too far back/],
  ] as const)
    it(`refuses ${what}`, async () => {
      await assert.rejects(inflated(Buffer.from(stream)), pattern)
    })

  it('stays with an error', async () => {
    const by = inflater()
    for (let times = 0; times < 2; times++)
      await assert.rejects(by.step(Buffer.from([0b111]), Buffer.alloc(10)), /invalid block type/)
  })
})

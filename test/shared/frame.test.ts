import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  FrameError,
} from '../../shared/frame.ts'
import fc from '../helpers/property.ts'

async function* streamOf(pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

async function decodeAll(pieces: Uint8Array[]): Promise<Buffer[]> {
  const payloads: Buffer[] = []
  for await (const payload of decodeFrames(streamOf(pieces))) payloads.push(payload)
  return payloads
}

function refuses(code: string, pieces: Uint8Array[]) {
  return assert.rejects(decodeAll(pieces), (error) => error instanceof FrameError && error.code === code)
}

/** The stream cut at these places, in any order and with repetitions. */
function cut(stream: Buffer, places: number[]): Buffer[] {
  const sorted = [...places.map((place) => place % (stream.length + 1)), stream.length].sort((a, b) => a - b)
  return sorted.map((place, index) => stream.subarray(index === 0 ? 0 : sorted[index - 1], place))
}

const PAYLOADS = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 })

describe('frames', () => {
  it('are a length in network byte order and the payload', () => {
    assert.equal(encodeFrame(Buffer.from('ab')).toString('hex'), '000000026162')
  })

  it('come out as they went in, wherever the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(PAYLOADS, fc.array(fc.nat(4000)), async (payloads, places) => {
        const stream = Buffer.concat(payloads.map(encodeFrame))
        assert.deepEqual(
          await decodeAll(cut(stream, places)),
          payloads.map((payload) => Buffer.from(payload)),
        )
      }),
    )
  })

  it('come out in one-byte pieces without taking quadratic time', async () => {
    const payload = Buffer.alloc(256 * 1024, 7)
    const frame = encodeFrame(payload)
    const pieces = Array.from(frame, (_, index) => frame.subarray(index, index + 1))
    assert.deepEqual(await decodeAll(pieces), [payload])
  })

  it('may have the largest payload, and not one byte more', async () => {
    const largest = Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX)
    assert.equal((await decodeAll([encodeFrame(largest)]))[0]?.length, FRAME_PAYLOAD_BYTES_MAX)
    assert.throws(() => encodeFrame(Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX + 1)), { code: 'FRAME_TOO_LARGE' })
  })

  it('of an oversized length are refused before a byte of them is read', async () => {
    const header = Buffer.alloc(FRAME_HEADER_BYTES)
    header.writeUInt32BE(FRAME_PAYLOAD_BYTES_MAX + 1)
    await refuses('FRAME_TOO_LARGE', [header])
    await refuses('FRAME_TOO_LARGE', [Buffer.from('GET / HTTP/1.1')])
  })

  it('without a payload are refused', async () => {
    await refuses('FRAME_EMPTY', [Buffer.alloc(FRAME_HEADER_BYTES)])
    assert.throws(() => encodeFrame(Buffer.alloc(0)), { code: 'FRAME_EMPTY' })
  })

  it('that the end of the stream cuts are refused, at every place', async () => {
    const frame = encodeFrame(Buffer.from('payload'))
    for (let size = 1; size < frame.length; size++) {
      await refuses('FRAME_TRUNCATED', [frame.subarray(0, size)])
      await refuses('FRAME_TRUNCATED', [frame, frame.subarray(0, size)])
    }
  })

  it('of an empty stream are none', async () => assert.deepEqual(await decodeAll([]), []))

  it('before garbage are still given', async () => {
    const payloads: Buffer[] = []
    const stream = streamOf([encodeFrame(Buffer.from('good')), Buffer.from([0xff, 0xff, 0xff, 0xff])])
    await assert.rejects(async () => {
      for await (const payload of decodeFrames(stream)) payloads.push(payload)
    }, FrameError)
    assert.deepEqual(payloads, [Buffer.from('good')])
  })

  it('of garbage end in a FrameError or in payloads, never otherwise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 64 })), async (pieces) => {
        await decodeAll(pieces).catch((error) => assert.ok(error instanceof FrameError))
      }),
    )
  })
})

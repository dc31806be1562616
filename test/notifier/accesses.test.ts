import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FileAccess } from '../../native/access-batch.ts'
import { AccessStream } from '../../notifier/accesses.ts'
import { decodeFrames, encodeFrame, FRAME_PAYLOAD_BYTES_MAX } from '../../shared/frame.ts'
import { decodeFromNotifier, encodeMessage, type FromNotifier } from '../../shared/messages.ts'
import { accessBatch } from '../helpers/access-batch.ts'
import fc from '../helpers/property.ts'

function access(path: string, readMicroseconds = 0): FileAccess {
  return {
    path: Buffer.from(path),
    kinds: 1,
    pid: 7,
    readMicroseconds,
    sizeBytes: 3,
    command: Buffer.from('sh'),
  }
}

function many(count: number, pathBytes: number): FileAccess[] {
  return Array.from({ length: count }, (_, index) => access(`/${index}`.padEnd(pathBytes, 'x')))
}

type AccessesMessage = Extract<FromNotifier, { type: 'accesses' }>

async function messagesOf(frames: Buffer | null): Promise<AccessesMessage[]> {
  const messages: AccessesMessage[] = []
  for await (const payload of decodeFrames(once(frames)))
    messages.push(decodeFromNotifier(payload) as AccessesMessage)
  return messages
}

async function* once(frames: Buffer | null): AsyncGenerator<Buffer> {
  if (frames !== null) yield frames
}

describe('the stream of accesses', () => {
  it('holds back what comes before the start, and then tells it as phase create with negative times', async () => {
    const stream = new AccessStream()
    assert.equal(stream.add(accessBatch([access('/a', 100)])), null)
    assert.equal(stream.add(accessBatch([access('/b', 250)])), null)
    assert.equal(stream.sent, 0)
    const entries = (await messagesOf(stream.start(300))).flatMap((message) => message.entries)
    assert.deepEqual(
      entries.map((entry) => [`${entry.path}`, entry.phase, entry.elapsedMicroseconds]),
      [
        ['/a', 0, -200],
        ['/b', 0, -50],
      ],
    )
    assert.equal(stream.sent, 2)
  })

  it('tells what comes after the start as phase run, numbered on', async () => {
    const stream = new AccessStream()
    stream.add(accessBatch([access('/a', 1)]))
    assert.equal((await messagesOf(stream.start(2)))[0]?.sequence, 0)
    const [message] = await messagesOf(stream.add(accessBatch([access('/b', 12)])))
    assert.deepEqual(
      [message?.sequence, message?.entries[0]?.phase, message?.entries[0]?.elapsedMicroseconds],
      [1, 1, 10],
    )
  })

  it('has no message for nothing', () => {
    const stream = new AccessStream()
    assert.equal(stream.add(accessBatch([])), null)
    assert.equal(stream.start(0), null)
    assert.equal(stream.add(accessBatch([])), null)
  })

  it('is cut into messages of at most 128 entries, in order', async () => {
    const stream = new AccessStream()
    stream.start(0)
    const accesses = many(1000, 10)
    const messages = await messagesOf(stream.add(accessBatch(accesses)))
    assert.deepEqual(
      messages.map((message) => message.entries.length),
      [128, 128, 128, 128, 128, 128, 128, 104],
    )
    assert.deepEqual(
      messages.flatMap((message) => message.entries.map((entry) => entry.path)),
      accesses.map(({ path }) => path),
    )
  })

  it('is cut into payloads that fit a frame, however long the paths are', async () => {
    const stream = new AccessStream()
    stream.start(0)
    for (const pathBytes of [4096, 64 * 1024]) {
      for (const message of await messagesOf(stream.add(accessBatch(many(300, pathBytes)))))
        assert.ok(encodeMessage(message).length <= FRAME_PAYLOAD_BYTES_MAX)
    }
    assert.equal(stream.sent, 600)
  })

  it('has the bytes that the codec of all messages makes', async () => {
    const bytes = (max: number) =>
      fc.uint8Array({ minLength: 1, maxLength: max }).map((array) => Buffer.from(array))
    const edges = [0, 1, 2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 40]
    const number = (min: number, max: number) =>
      fc.oneof(
        fc.integer({ min, max }),
        fc
          .tuple(fc.constantFrom(...edges, ...edges.map((edge) => -edge)), fc.integer({ min: -2, max: 2 }))
          .map(([edge, step]) => Math.min(max, Math.max(min, edge + step))),
      )
    const accesses = fc.array(
      fc.record({
        path: fc.oneof(
          bytes(300),
          fc.constantFrom(255, 256, 65_535, 65_536).map((size) => Buffer.alloc(size, '/')),
        ),
        kinds: number(1, 7),
        pid: number(0, 2 ** 31 - 1),
        readMicroseconds: number(-(2 ** 42), 2 ** 42),
        sizeBytes: number(0, Number.MAX_SAFE_INTEGER),
        command: fc.oneof(bytes(20), fc.constant(null)),
      }),
      { minLength: 1, maxLength: 300 },
    )
    await fc.assert(
      fc.asyncProperty(accesses, async (list) => {
        const stream = new AccessStream()
        stream.start(0)
        const frames = stream.add(accessBatch(list))
        const messages = await messagesOf(frames)
        const entries = messages.flatMap((message) => message.entries)
        assert.deepEqual(
          entries,
          list.map(({ readMicroseconds, ...rest }) => ({
            ...rest,
            elapsedMicroseconds: readMicroseconds,
            phase: 1,
          })),
        )
        assert.ok(
          (frames as Buffer).equals(
            Buffer.concat(messages.map((message) => encodeFrame(encodeMessage(message)))),
          ),
        )
      }),
      { numRuns: 30 },
    )
  })
})

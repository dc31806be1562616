import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FileAccess } from '../../native/fanotify.ts'
import { AccessStream } from '../../notifier/accesses.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '../../shared/frame.ts'
import { encodeMessage } from '../../shared/messages.ts'

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

describe('the stream of accesses', () => {
  it('holds back what comes before the start, and then tells it as phase create with negative times', () => {
    const stream = new AccessStream()
    assert.deepEqual(stream.add([access('/a', 100)]), [])
    assert.deepEqual(stream.add([access('/b', 250)]), [])
    assert.equal(stream.sent, 0)
    const [message, ...more] = stream.start(300)
    assert.deepEqual(more, [])
    assert.deepEqual(
      message?.entries.map((entry) => [`${entry.path}`, entry.phase, entry.elapsedMicroseconds]),
      [
        ['/a', 0, -200],
        ['/b', 0, -50],
      ],
    )
    assert.equal(stream.sent, 2)
  })

  it('tells what comes after the start as phase run, numbered on', () => {
    const stream = new AccessStream()
    stream.add([access('/a', 1)])
    assert.equal(stream.start(2)[0]?.sequence, 0)
    const [message] = stream.add([access('/b', 12)])
    assert.deepEqual(
      [message?.sequence, message?.entries[0]?.phase, message?.entries[0]?.elapsedMicroseconds],
      [1, 1, 10],
    )
  })

  it('has no message for nothing', () => {
    const stream = new AccessStream()
    assert.deepEqual(stream.start(0), [])
    assert.deepEqual(stream.add([]), [])
  })

  it('is cut into messages of at most 128 entries, in order', () => {
    const stream = new AccessStream()
    stream.start(0)
    const accesses = many(1000, 10)
    const messages = stream.add(accesses)
    assert.deepEqual(
      messages.map((message) => message.entries.length),
      [128, 128, 128, 128, 128, 128, 128, 104],
    )
    assert.deepEqual(
      messages.flatMap((message) => message.entries.map((entry) => entry.path)),
      accesses.map(({ path }) => path),
    )
  })

  it('is cut into payloads that fit a frame, however long the paths are', () => {
    const stream = new AccessStream()
    stream.start(0)
    for (const pathBytes of [4096, 64 * 1024]) {
      for (const message of stream.add(many(300, pathBytes)))
        assert.ok(encodeMessage(message).length <= FRAME_PAYLOAD_BYTES_MAX)
    }
    assert.equal(stream.sent, 600)
  })
})

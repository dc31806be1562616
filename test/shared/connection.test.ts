import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Connection } from '../../shared/connection.ts'
import { encodeFrame } from '../../shared/frame.ts'
import {
  decodeFromNotifier,
  decodeFromOptimizer,
  encodeMessage,
  type FromNotifier,
  type FromOptimizer,
} from '../../shared/messages.ts'

/** Both ends of a Unix socket. */
async function socketPair(): Promise<[Socket, Socket]> {
  const folder = mkdtempSync(join(tmpdir(), 'optimizer-connection-'))
  const server = createServer({ allowHalfOpen: false })
  try {
    const path = join(folder, 'socket')
    await once(server.listen(path), 'listening')
    const near = connect(path)
    const [[far]] = await Promise.all([once(server, 'connection'), once(near, 'connect')])
    return [near, far as Socket]
  } finally {
    server.close()
    rmSync(folder, { recursive: true })
  }
}

async function connected() {
  const [near, far] = await socketPair()
  return {
    optimizer: new Connection<FromNotifier, FromOptimizer>(near, decodeFromNotifier),
    notifier: new Connection<FromOptimizer, FromNotifier>(far, decodeFromOptimizer),
    near,
    far,
  }
}

describe('a connection', () => {
  it('carries messages in order, both ways, until it is closed', async () => {
    const { optimizer, notifier } = await connected()
    await optimizer.send({ type: 'started' })
    await optimizer.send({ type: 'flush' })
    await notifier.send({ type: 'started' })
    const answer = await optimizer.messages().next()
    assert.deepEqual(answer.value, { type: 'started' })
    await optimizer.close()
    const types: string[] = []
    for await (const message of notifier.messages()) types.push(message.type)
    assert.deepEqual(types, ['started', 'flush'])
    await notifier.close()
  })

  it('lets the sender wait while the peer does not read', async () => {
    const { optimizer, notifier } = await connected()
    const path = Buffer.alloc(60_000, 'x')
    const entry = {
      path,
      kinds: 1,
      pid: 1,
      elapsedMicroseconds: 0,
      phase: 1,
      sizeBytes: 0,
      command: null,
    } as const
    let sent = 0
    const sending = (async () => {
      for (; sent < 200; sent++) await notifier.send({ type: 'accesses', sequence: sent, entries: [entry] })
      await notifier.close()
    })()
    // The kernel's buffers hold far less than these 12 MB.
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(sent < 200)
    let received = 0
    for await (const message of optimizer.messages()) {
      assert.equal(message.type === 'accesses' && message.sequence, received)
      received++
    }
    await sending
    assert.equal(received, 200)
  })

  it('counts messages of unknown types and ignores them', async () => {
    const { optimizer, notifier, far } = await connected()
    far.write(encodeFrame(encodeMessage({ type: 'later' } as unknown as FromNotifier)))
    await notifier.send({ type: 'started' })
    await notifier.close()
    const types: string[] = []
    for await (const message of optimizer.messages()) types.push(message.type)
    assert.deepEqual(types, ['started'])
    assert.equal(optimizer.unknownMessages, 1)
  })

  it('ends at the first unacceptable bytes, and can still tell the peer why', async () => {
    const { optimizer, notifier, near } = await connected()
    near.write(encodeFrame(Buffer.from([0xc1])))
    await assert.rejects(notifier.messages().next(), { code: 'MESSAGE_MALFORMED' })
    await notifier.send({ type: 'error', code: 'C', stage: 's', message: 'what was that' })
    await notifier.close()
    const first = await optimizer.messages().next()
    assert.equal((first.value as { message: string }).message, 'what was that')
    await optimizer.close()
  })

  it('that is gone refuses to send, and wakes who waits for room', async () => {
    const { optimizer, notifier, near } = await connected()
    const path = Buffer.alloc(60_000, 'x')
    const entry = {
      path,
      kinds: 1,
      pid: 1,
      elapsedMicroseconds: 0,
      phase: 1,
      sizeBytes: 0,
      command: null,
    } as const
    const sending = (async () => {
      for (let sequence = 0; ; sequence++)
        await notifier.send({ type: 'accesses', sequence, entries: [entry] })
    })()
    await new Promise((resolve) => setImmediate(resolve))
    near.destroy()
    await assert.rejects(sending, { code: 'CONNECTION_LOST' })
    await assert.rejects(notifier.send({ type: 'started' }), { code: 'CONNECTION_LOST' })
    await assert.rejects(optimizer.send({ type: 'flush' }), { code: 'CONNECTION_LOST' })
  })

  it('closes though the peer does not read, after a moment', async () => {
    const { optimizer, notifier } = await connected()
    const path = Buffer.alloc(60_000, 'x')
    const entry = {
      path,
      kinds: 1,
      pid: 1,
      elapsedMicroseconds: 0,
      phase: 1,
      sizeBytes: 0,
      command: null,
    } as const
    const sending = (async () => {
      for (let sequence = 0; ; sequence++)
        await notifier.send({ type: 'accesses', sequence, entries: [entry] })
    })()
    const refused = assert.rejects(sending, { code: 'CONNECTION_LOST' })
    await new Promise((resolve) => setImmediate(resolve))
    await notifier.close()
    await notifier.close()
    await refused
    await optimizer.close()
  })
})

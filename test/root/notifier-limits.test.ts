import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import type { FromNotifier } from '../../shared/messages.ts'
import { Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { RunningProbe, runProbe } from '../helpers/probe.ts'
import { OPTIMIZER_HELLO, ProtocolClient } from '../helpers/protocol-client.ts'

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, number) => [`many/${number}`, '']))
}

function pathsOf(messages: FromNotifier[]): string[] {
  return messages.flatMap((message) =>
    message.type === 'accesses' ? message.entries.map((entry) => entry.path.toString()) : [],
  )
}

describe('the notifier at its limits', { skip: skipWithoutFanotify() }, () => {
  it('loses nothing with few descriptors: it reads fewer events at once', async () => {
    const overlay = new Overlay([many(2000)])
    const client = await ProtocolClient.start(['prlimit', '--nofile=96:96'])
    try {
      await client.send(OPTIMIZER_HELLO)
      const path = Buffer.from(overlay.merged)
      await client.send({ type: 'mark', kind: 'filesystem', path, reason: 'test' })
      await client.send({ type: 'started' })
      await client.until('started')
      process.kill(client.child.pid as number, 'SIGSTOP')
      runProbe(['burst', '/many', '2000'], overlay.merged)
      process.kill(client.child.pid as number, 'SIGCONT')
      await client.send({ type: 'flush' })
      const messages = await client.until('flushed')
      assert.equal(new Set(pathsOf(messages)).size, 2001)
      const { counters } = messages.at(-1) as Extract<FromNotifier, { type: 'flushed' }>
      assert.deepEqual([counters.overflows, counters.descriptorErrors, counters.unresolved], [0, 0, 0])
    } finally {
      await client.close()
      overlay.remove()
    }
  })

  it('leaves the events in the kernel while the optimizer does not read, and then loses none', async () => {
    const overlay = new Overlay([many(20_000)])
    const client = await ProtocolClient.start()
    try {
      await client.send(OPTIMIZER_HELLO)
      const path = Buffer.from(overlay.merged)
      await client.send({ type: 'mark', kind: 'filesystem', path, reason: 'test' })
      await client.send({ type: 'started' })
      await client.until('started')
      // From here to the flush nobody reads the socket; it takes some hundred kilobytes.
      runProbe(['burst', '/many', '20000'], overlay.merged)
      await client.send({ type: 'flush' })
      const messages = await client.until('flushed')
      assert.equal(new Set(pathsOf(messages)).size, 20_001)
      const sequences = messages.flatMap((message) => (message.type === 'accesses' ? [message.sequence] : []))
      assert.deepEqual(
        sequences,
        sequences.map((_, index) => index),
      )
    } finally {
      await client.close()
      overlay.remove()
    }
  })

  it('has told of an access when a flush that was asked for after it is answered, a thousand times', async () => {
    const overlay = new Overlay([many(1000)])
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    const probe = new RunningProbe(['serve'], overlay.merged)
    try {
      await notifier.mark({ kind: 'filesystem', path: Buffer.from(overlay.merged), reason: 'test' })
      await notifier.started()
      for (let round = 0; round < 1000; round++) {
        probe.say(`/many/${round}`)
        assert.equal(await probe.line(), 'done')
        await notifier.flush()
        assert.equal(overlay.inside(notifier.accesses.at(-1)?.path ?? Buffer.alloc(0)), `/many/${round}`)
      }
    } finally {
      await probe.end()
      await notifier.kill()
      overlay.remove()
    }
  })
})

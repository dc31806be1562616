import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type MarkRequest, NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { RunningProbe } from '../helpers/probe.ts'
import { OPTIMIZER_HELLO, ProtocolClient } from '../helpers/protocol-client.ts'

/** Emulates a runtime: joins the namespace, pivots into the root, waits before the workload's first access. */
describe('a container in the namespace of the notifier', { skip: skipWithoutFanotify() }, () => {
  let overlay: Overlay
  let notifier: NotifierProcess

  before(async () => {
    overlay = new Overlay([{ 'etc/passwd': '', 'etc/hosts': '', data: '', 'volume/': '' }])
  })
  after(() => overlay.remove())

  async function inContainer(mark: {
    beforeCreate?: MarkRequest
    afterCreate?: (pid: number) => MarkRequest
  }): Promise<{ create: string[]; run: string[] }> {
    notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    if (mark.beforeCreate) await notifier.mark(mark.beforeCreate)
    const { namespacePath } = notifier
    const create = ['join', namespacePath, 'read', `${overlay.merged}/etc/passwd`, 'pivot', overlay.merged]
    const run = ['read', '/etc/hosts', 'read', '/etc/passwd', 'tmpfs', '/volume', 'append', '/volume/x']
    const probe = new RunningProbe([...create, 'ready', ...run, 'ready'])
    try {
      assert.equal(await probe.line(), 'ready')
      if (mark.afterCreate) await notifier.mark(mark.afterCreate(probe.pid))
      await notifier.started()
      probe.say('go on')
      assert.equal(await probe.line(), 'ready')
      await notifier.flush()
      const paths = (phase: number) =>
        notifier.accesses
          .filter((access) => access.phase === phase)
          // The mount point is in front when the event is read before the pivot.
          .map((access) => overlay.inside(access.path))
      return { create: paths(0), run: paths(1) }
    } finally {
      probe.say('go on')
      await probe.end()
      await notifier.kill()
    }
  }

  it('is seen whole by a file system mark set before create, the runtime included', async () => {
    const mark = { kind: 'filesystem', path: Buffer.from(overlay.merged), reason: 'test' } as const
    const { create, run } = await inContainer({ beforeCreate: mark })
    assert.deepEqual(create, ['/etc/passwd'])
    assert.deepEqual(run, ['/etc/hosts', '/etc/passwd'])
  })

  it('is seen from its start by a mount mark on its root set after create', async () => {
    const { create, run } = await inContainer({
      afterCreate: (rootPid) => ({ kind: 'mount', rootPid, reason: 'test' }),
    })
    assert.deepEqual(create, [])
    assert.deepEqual(run, ['/etc/hosts', '/etc/passwd'])
  })

  it('is not seen after its pivot by a mount mark set before create, the trap', async () => {
    const mark = { kind: 'mount', path: Buffer.from(overlay.merged), reason: 'test' } as const
    const { run } = await inContainer({ beforeCreate: mark })
    assert.deepEqual(run, [])
  })

  it('does not take the notifier into its root', async () => {
    notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    const probe = new RunningProbe(['join', notifier.namespacePath, 'pivot', overlay.merged, 'ready'])
    try {
      assert.equal(await probe.line(), 'ready')
      assert.deepEqual(readdirSync(`/proc/${probe.pid}/root`).sort(), ['data', 'etc', 'probe', 'volume'])
      assert.deepEqual(readdirSync(`/proc/${notifier.pid}/root`), readdirSync('/'))
      assert.notEqual(readlinkSync(notifier.namespacePath), readlinkSync('/proc/self/ns/mnt'))
      assert.equal(readlinkSync(notifier.namespacePath), readlinkSync(`/proc/${probe.pid}/ns/mnt`))
    } finally {
      probe.say('go on')
      await probe.end()
      await notifier.kill()
    }
  })

  it('takes a notifier without a root of its own into its root, which goes on all the same', async () => {
    const client = await ProtocolClient.start(['unshare', '--mount', '--propagation', 'slave'])
    await client.send(OPTIMIZER_HELLO)
    await client.until('hello')
    const pid = client.child.pid as number
    const verbs = ['join', `/proc/${pid}/ns/mnt`, 'pivot', overlay.merged, 'ready', 'read', '/data', 'ready']
    const probe = new RunningProbe(verbs)
    try {
      assert.equal(await probe.line(), 'ready')
      assert.deepEqual(readdirSync(`/proc/${pid}/root`).sort(), ['data', 'etc', 'probe', 'volume'])
      await client.send({ type: 'mark', kind: 'mount', rootPid: probe.pid, reason: 'test' })
      await client.send({ type: 'started' })
      await client.until('started')
      probe.say('go on')
      assert.equal(await probe.line(), 'ready')
      await client.send({ type: 'stop' })
      const entries = (await client.until('stopped')).flatMap((message) =>
        message.type === 'accesses' ? message.entries : [],
      )
      assert.deepEqual(
        entries.map((entry) => [`${entry.path}`, `${entry.command}`.slice(0, 5)]),
        [['/data', 'probe']],
      )
      assert.deepEqual(await client.ended(), { code: 0, signal: null })
    } finally {
      probe.say('go on')
      await probe.end()
      await client.close()
    }
  })
})

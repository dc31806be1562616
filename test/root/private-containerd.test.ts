/** The daemon that tests and the sample run start for themselves. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { namespaceCgroups } from '../../bench/sample/leftover-cgroups.ts'
import { shimSockets } from '../../bench/sample/leftover-processes.ts'
import { Containerd } from '../../optimizer/containerd/client.ts'
import { ContainerdUnavailableError } from '../../optimizer/containerd/errors.ts'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { lackOfControllers } from '../helpers/cgroup-v2.ts'
import { openContainerd, skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { WorkloadBench } from '../helpers/workload.ts'

describe('a private containerd', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  it('answers, and is gone without a trace when stopped, also when stopped twice', async () => {
    const { daemon, client, stop } = await openContainerd()
    assert.match(client.version, /^v?\d+\.\d+/)
    await stop()
    await daemon.stop()
    assert.ok(!existsSync(daemon.folder))
    await assert.rejects(Containerd.connect(daemon.address, daemon.namespace), ContainerdUnavailableError)
  })

  it('survives a crash with what it holds', async () => {
    const { daemon, client, stop } = await openContainerd()
    await client.leases.create('kept', { a: 'b' }, new Date(Date.now() + 3600_000))
    await daemon.crash()
    await daemon.restart()
    const again = await Containerd.connect(daemon.address, daemon.namespace)
    assert.deepEqual(
      (await again.leases.list('a')).map(({ id }) => id),
      ['kept'],
    )
    again.close()
    await stop()
  })

  const skip = lackOfControllers()
  it('leaves no control group, nor the one that ctr makes for its namespace and runtimes never remove', {
    skip,
  }, async () => {
    const bench = await WorkloadBench.open()
    const { daemon } = bench.containerd
    try {
      const { name } = await bench.image([], { Env: ['PATH=/bin'], Cmd: ['busybox', 'true'] })
      const where = ['--address', daemon.address, '--namespace', daemon.namespace]
      await promisify(execFile)('ctr', [...where, 'run', '--rm', name, 'once'])
      assert.notDeepEqual(namespaceCgroups(daemon.namespace), [])
    } finally {
      await bench.close()
    }
    assert.deepEqual(namespaceCgroups(daemon.namespace), [])
  })

  it('takes a running task with it: processes, mounts, sockets, state', async () => {
    const bench = await WorkloadBench.open()
    const image = await bench.image([], { Env: ['PATH=/bin'] })
    const { daemon } = bench.containerd
    let during: string[] = []
    let stopped: Promise<void> | undefined
    const onLine = () => {
      const paths = [...shimSockets(daemon.address), join('/run/containerd/runc', daemon.namespace)]
      during = [...new Set(paths)].filter((path) => existsSync(path))
      stopped = daemon.stop()
    }
    await assert.rejects(bench.shell(image, 'sleep 0.2; echo started; sleep 1000', { onLine }))
    await stopped
    await bench.close()
    assert.ok(during.length >= 2, `expected a socket and a state: ${during}`)
    assert.deepEqual(
      during.filter((path) => existsSync(path)),
      [],
    )
    assert.deepEqual(mountPointsBelow(daemon.folder), [])
    assert.ok(!existsSync(daemon.folder))
  })
})

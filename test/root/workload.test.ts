/** Workloads in a real containerd, recorded through a real notifier. */
import assert from 'node:assert/strict'
import { readlinkSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import type { LayerFiles, TestImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runPaths, WorkloadBench } from '../helpers/workload.ts'

describe('a workload in containerd', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    image = await bench.image(
      [
        { 'data/': '', 'data/a': 'a\n', 'data/b': 'b\n', 'data/c': 'c\n', 'data/link': '->/data/c' },
        { 'script.sh': '#!/bin/sh\nexec cat /data/b\n', 'data/b': 'newer b\n' },
      ],
      { Env: ['GREETING=hello', 'PATH=/bin'], Cmd: ['cat', '/data/a'], WorkingDir: '/data', User: 'web' },
    )
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  it('is recorded file by file, in order of first access', async () => {
    const run = await bench.shell(
      image,
      'cat /data/link /data/a; cat /data/a; /script.sh; cat /proc/self/stat',
    )
    assert.deepEqual(runPaths(run.accesses), ['/bin/busybox', '/data/c', '/data/a', '/script.sh', '/data/b'])
    assert.deepEqual(run.lost, [])
    assert.equal(run.mark.kind, 'filesystem')
    assert.equal(run.exitStatus, 0)
    assert.equal(run.stop.rule, 'exit')
  })

  it('runs what the image says, as the image says', async () => {
    const run = await bench.run(image)
    assert.deepEqual(bench.lines, ['a'])
    assert.deepEqual(run.args, ['cat', '/data/a'])
    assert.equal(run.cwd, '/data')
    assert.equal(run.user, 'web')
    assert.deepEqual(run.envNames, ['GREETING', 'PATH'])
  })

  it('has the environment, folder, user and groups asked for', async () => {
    const script = 'echo $GREETING-$ADDED-$HOME; pwd; id'
    await bench.shell(image, script, { options: { env: ['ADDED=x', 'GREETING'], cwd: '/tmp' } })
    assert.deepEqual(bench.lines, [
      '-x-/home/web',
      '/tmp',
      'uid=101(web) gid=102(web) groups=102(web),103(logs)',
    ])
    await bench.shell(image, 'id', { options: { user: '7:103' } })
    assert.deepEqual(bench.lines, ['uid=7 gid=103(logs) groups=103(logs)'])
  })

  it('sees a file that is opened in the last moment before the exit', async () => {
    const run = await bench.shell(image, 'exec cat /data/c')
    assert.ok(runPaths(run.accesses).includes('/data/c'))
  })

  it('is recorded on a bind mount too, by its mount alone', async () => {
    const run = await bench.shell(image, 'cat /data/a', { options: { snapshotter: 'native' } })
    assert.equal(run.mark.kind, 'mount')
    assert.deepEqual(runPaths(run.accesses), ['/bin/busybox', '/data/a'])
  })

  it('is stopped when its period is over, which is a success', async () => {
    const run = await bench.shell(image, "trap 'cat /data/b; exit 3' TERM; cat /data/a; sleep 1000 & wait", {
      options: { periodSeconds: 2 },
    })
    assert.deepEqual(run.stop, { rule: 'period', reason: '2 s had passed', readySeconds: null })
    assert.equal(run.exitStatus, 3)
    assert.deepEqual(bench.lines, ['a', 'newer b'])
    assert.ok(run.durationSeconds >= 2)
  })

  it('is killed when it does not heed the stop signal', async () => {
    const run = await bench.shell(image, "trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done", {
      options: { waitOnLine: ['ready'], stopTimeoutSeconds: 1 },
    })
    assert.deepEqual(bench.lines, ['ready', 'no'])
    assert.equal(run.exitStatus, 137)
  })

  it('is killed at once when the stop signal would never reach it', async () => {
    const run = await bench.shell(image, 'exec sleep 1000', {
      options: { periodSeconds: 0.2, stopTimeoutSeconds: 60 },
    })
    assert.equal(run.exitStatus, 137)
    assert.ok(run.durationSeconds < 30)
  })

  it('gets the stop signal that the image names', async () => {
    const quitting = { ...image, config: { ...image.config, config: { StopSignal: 'SIGUSR1' } } }
    const script = "trap 'echo usr1; exit 0' USR1; trap 'echo term' TERM; echo ready; sleep 1000 & wait"
    const run = await bench.shell(quitting, script, { options: { waitOnLine: ['ready'] } })
    assert.deepEqual(bench.lines, ['ready', 'usr1'])
    assert.equal(run.exitStatus, 0)
  })

  it('may write as much output as it likes', async () => {
    await bench.shell(image, 'seq 1 20000; seq 1 20000 >&2')
    assert.equal(bench.lines.length, 40_000)
  })

  it('has nothing but a loopback, unless it asks for the host network', async () => {
    const interfaces = () =>
      bench.lines.filter((line) => line.includes(':')).map((line) => line.split(':')[0]?.trim())
    await bench.shell(image, 'cat /proc/net/dev')
    assert.deepEqual(interfaces(), ['lo'])
    await bench.shell(image, 'busybox readlink /proc/self/ns/net', { options: { netHost: true } })
    assert.deepEqual(bench.lines, [readlinkSync('/proc/self/ns/net')])
  })

  it('can talk to itself over that loopback', async () => {
    const script = 'httpd -p 127.0.0.1:8080 -h /data && wget -q -O - http://127.0.0.1:8080/a'
    await bench.shell(image, script, { options: { user: '0' } })
    assert.deepEqual(bench.lines, ['a'])
  })

  it('may write to its root, and the next run does not see it', async () => {
    await bench.shell(image, 'echo new > /tmp/made; rm /data/a; cat /tmp/made', { options: { user: '0' } })
    await bench.shell(image, 'ls /tmp /data')
    assert.deepEqual(bench.lines, ['/data:', 'a', 'b', 'c', 'link', '', '/tmp:'])
  })

  it('does not mind others of the same image at the same time, the unpacking included', async () => {
    const layers: LayerFiles[] = [{ 'data/': '', 'data/a': 'a\n' }, { 'data/z': 'z\n' }]
    const fresh = await bench.image(layers, { Env: ['PATH=/bin'] }, 'fresh')
    const scripts = ['cat /data/a', 'cat /data/z', 'cat /data/a /data/z']
    const runs = await Promise.all(scripts.map((script) => bench.shell(fresh, script)))
    assert.deepEqual(
      runs.map(({ accesses }) => runPaths(accesses).filter((path) => path.startsWith('/data'))),
      [['/data/a'], ['/data/z'], ['/data/a', '/data/z']],
    )
  })

  it('unpacks once: the snapshots outlive the run, held by the label on the config', async () => {
    const { client } = bench.containerd
    await bench.shell(image, 'true')
    const label = 'containerd.io/gc.ref.snapshot.overlayfs'
    const { labels } = await client.content.info(image.manifest.config.digest)
    assert.ok(await client.snapshots('overlayfs').exists(labels[label] as string))
  })
})

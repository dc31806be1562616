/** What happens around the workload and beside it: the runtime's init, hooks, namespaces of its own, late events. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { loadAddon } from '../../native/addon.ts'
import type { ContainerdRun } from '../../optimizer/workload/run.ts'
import { PHASE } from '../../shared/messages.ts'
import type { TestImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probePath } from '../helpers/probe.ts'
import { runPaths, WorkloadBench } from '../helpers/workload.ts'

describe('a recording', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    const data = ['hooked', 'inside', 'nested', 'own', 'removed'].map((name) => [`data/${name}`, `${name}\n`])
    const files = { probe: readFileSync(probePath()), 'data/': '', ...Object.fromEntries(data) }
    image = await bench.image([files], { Env: ['PATH=/bin'] })
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  /** Adds hooks to the spec on its way to containerd. */
  function hookInto(run: ContainerdRun): void {
    const { containers } = run.containerd
    const create = containers.create.bind(containers)
    const rootfs = join(run.folder, 'rootfs')
    const cat = (path: string) => [
      { path: '/bin/sh', args: ['sh', '-c', `cat ${rootfs}${path} > /dev/null`] },
    ]
    const hooks = { createRuntime: cat('/data/hooked'), createContainer: cat('/data/inside') }
    containers.create = (container) =>
      create({ ...container, spec: { ...(container.spec as object), hooks } })
  }

  it('sees what the runtime and its hooks read before the start, in phase create', async () => {
    const run = await bench.run(image, {
      options: { entrypoint: ['/probe', 'read', '/data/own'] },
      before: hookInto,
    })
    const create = run.accesses.filter(({ phase }) => phase === PHASE.create)
    const paths = create.map(({ path }) => path.toString().replace(run.mountPoint, ''))
    for (const path of ['/etc/passwd', '/data/hooked', '/data/inside']) assert.ok(paths.includes(path), path)
    assert.ok(create.every(({ elapsedMicroseconds }) => elapsedMicroseconds <= 0))
    assert.deepEqual(runPaths(run.accesses), ['/probe', '/data/own'])
  })

  it('sees the same where the kernel lets no mount be put into another namespace', async (t) => {
    const refusal = t.mock.method(loadAddon<{ copyMountInto: () => void }>(), 'copyMountInto', () => {
      throw Object.assign(new Error('ENOSYS: no such call here, open_tree'), { code: 'ENOSYS' })
    })
    const run = await bench.run(image, { options: { entrypoint: ['/probe', 'read', '/data/own'] } })
    assert.equal(refusal.mock.callCount(), 1)
    assert.deepEqual(runPaths(run.accesses), ['/probe', '/data/own'])
  })

  it('sees into mount namespaces that the workload makes, by the mark of the file system', async () => {
    const entrypoint = ['/probe', 'read', '/data/own', 'newuser', 'read', '/data/nested']
    const run = await bench.run(image, { options: { entrypoint } })
    assert.deepEqual(runPaths(run.accesses), ['/probe', '/data/own', '/data/nested'])
    // The other mark is bound to one mount, of which a namespace has a copy.
    const byMount = await bench.run(image, { options: { entrypoint, mark: 'mount' } })
    assert.deepEqual(runPaths(byMount.accesses), ['/probe', '/data/own'])
  })

  it('names and counts a file that was removed before its event was read', async () => {
    let go = () => {}
    const run = await bench.shell(
      image,
      `echo wait; while [ ! -e /tmp/go ]; do :; done
       cat /data/removed; rm /data/removed; echo gone; sleep 0.1`,
      {
        before: ({ folder }) => {
          go = () => writeFileSync(join(folder, 'rootfs', 'tmp', 'go'), '')
        },
        onLine: (line) => {
          if (line === 'wait') {
            signalNotifier('SIGSTOP')
            go()
          } else if (line === 'gone') signalNotifier('SIGCONT')
        },
      },
    )
    assert.ok(runPaths(run.accesses).includes('/data/removed'))
    assert.ok(run.counters.deleted >= 1)
    assert.deepEqual(run.lost, [])
  })
})

/** To the notifier that this process has started. */
function signalNotifier(signal: NodeJS.Signals): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      const isNotifier = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('notifier/main')
      if (parent === process.pid && isNotifier) process.kill(Number(pid), signal)
    } catch {
      // It has ended meanwhile.
    }
  }
}

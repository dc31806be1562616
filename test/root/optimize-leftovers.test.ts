/** Nothing is left however a run ends, and no image but of a run that succeeded. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { NotFoundError } from '../../shared/errors.ts'
import { signalAt } from '../faults/moments.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { finished, OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

/** Longer than any test; every workload here is ended by the test, or ends by itself. */
const PERIOD = ['--period', '60s']
/** Does not compress, so that converting it takes a while. */
const LARGE_BYTES = 32 * 1024 * 1024
const SLOW = ['--estargz-compression-level', '9', '--workers', '1']
/** Far less than such a conversion takes of any processor. */
const AMID = { delayMs: 50 }

const shell = (script: string) => [...PERIOD, '--entrypoint', JSON.stringify(['sh', '-c', script])]
/** Runs until it is told to stop, or until there is /go. */
const WAITING = shell('echo started; while [ ! -e /go ]; do sleep 0.05; done; cat /data/file')

describe('a run', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let environment: string[]
  before(async () => {
    bench = await OptimizerBench.open()
    await bench.withStores(async (stores) => {
      const small = [busyboxFiles(), { 'data/': '', 'data/file': 'x' }]
      await putImage(stores, 'small', small, { Env: ['PATH=/bin'] })
      const large = [...small, { 'data/large': randomBytes(LARGE_BYTES) }]
      await putImage(stores, 'large', large, { Env: ['PATH=/bin'] })
    })
    // Unpacked images stay, as containerd's own: the first run is not the one that is looked at.
    for (const name of ['small', 'large']) await bench.optimize(name, `${name}-before`, shell('true'))
  })
  after(() => bench?.close())
  beforeEach(() => {
    environment = traces(bench)
  })
  afterEach(async () => {
    assert.deepEqual(await bench.leftovers(), [])
    // Nobody tells the notifier of one that was killed: it ends because its optimizer is gone.
    const deadline = performance.now() + 60_000
    while (traces(bench).length > environment.length && performance.now() < deadline) await delay(20)
    assert.deepEqual(traces(bench), environment)
  })

  const noImage = (name: string) => assert.rejects(bench.stores.images.get(name), NotFoundError)

  it('that succeeds leaves its image and nothing else', async () => {
    const blobs = bench.tool('ctr', ['content', 'ls', '-q']).split('\n').length
    const { layers, target } = await bench.optimize('small', 'done', shell('cat /data/file'))
    assert.equal((await bench.stores.images.get('done')).target.digest, target.digest)
    // Layers, config and manifest; those that were there already count once.
    const added = bench.tool('ctr', ['content', 'ls', '-q']).split('\n').length - blobs
    assert.ok(added <= layers.length + 2, `${added} blobs more`)
  })

  it('without --json prints the digest of its image alone', async () => {
    const { code, stdout } = await bench.run(['optimize', 'small', 'printed', ...shell('cat /data/file')])
    assert.equal(code, 0)
    assert.equal(stdout, `${(await bench.stores.images.get('printed')).target.digest}\n`)
  })

  it('whose workload fails ends with 4 and the last words of the workload', async () => {
    const failing = shell('echo some trouble >&2; exit 9')
    const { code, stdout, stderr } = await bench.run(['optimize', 'small', 'failed', ...failing])
    assert.equal(code, 4)
    assert.equal(stdout, '')
    assert.match(stderr, /^optimizer: .*status 9.*some trouble.*\[WORKLOAD_FAILED\]$/ms)
    await noImage('failed')
  })

  it('that replaces an image and fails leaves the image that was there', async () => {
    const { target } = await bench.optimize('small', 'kept', shell('true'))
    const { code } = await bench.run(['optimize', 'small', 'kept', ...shell('exit 1')])
    assert.equal(code, 4)
    assert.equal((await bench.stores.images.get('kept')).target.digest, target.digest)
  })

  // What an interruption at the beginning of each stage leaves: test/faults/interruption.test.ts.
  it('that is interrupted in the middle of a conversion ends with 130', async () => {
    const words = ['optimize', 'large', 'converting', ...shell('cat /data/file'), ...SLOW]
    const { code, stdout, stderr } = await bench.run(words, signalAt('convert: ', 'SIGINT', AMID))
    assert.deepEqual([code, stdout], [130, ''], stderr)
    assert.match(stderr, /optimizer: interrupted by SIGINT \[INTERRUPTED\]\n$/)
    await noImage('converting')
  })

  it('that is interrupted twice still undoes everything', async () => {
    const child = bench.spawn([
      'optimize',
      'small',
      'twice',
      ...shell("trap '' TERM; echo started; while :; do sleep 0.05; done"),
    ])
    const end = finished(child)
    await says(child, /\| started/)
    child.kill('SIGINT')
    await says(child, /stopping and cleaning up/)
    child.kill('SIGINT')
    assert.equal((await end).code, 130)
    await noImage('twice')
  })

  it('whose log has no reader any more goes on to its end', async () => {
    const child = bench.spawn(['optimize', 'small', 'unread', ...WAITING, '--log-level', 'debug'])
    const end = once(child, 'exit')
    await says(child, /\| started/)
    child.stderr?.destroy()
    writeFileSync(join('/proc', bench.taskPid(), 'root', 'go'), '')
    assert.deepEqual(await end, [0, null])
    await bench.stores.images.get('unread')
  })

  it('that is killed while its workload runs is undone by clean', async () => {
    const child = bench.spawn(['optimize', 'small', 'killed', ...WAITING])
    await killed(child, /\| started/)
    assert.notDeepEqual(await bench.leftovers(), [])

    const { code, stdout } = await bench.run(['clean', '--json'])
    assert.equal(code, 0)
    const { schemaVersion, runs, undecided } = JSON.parse(stdout)
    assert.equal(schemaVersion, 1)
    assert.equal(runs.length, 1)
    assert.deepEqual(runs[0].failures, [])
    assert.deepEqual(undecided, [])
    assert.deepEqual(await bench.leftovers(), [])
    await noImage('killed')
    assert.equal((await bench.run(['clean'])).stdout, 'nothing to clean\n')
  })

  it('that is killed while it converts is undone by clean', async () => {
    const words = ['optimize', 'large', 'killed', '--no-optimize', ...SLOW]
    const { code, stderr } = await bench.run(words, signalAt('convert: ', 'SIGKILL', AMID))
    assert.equal(code, null, stderr)
    assert.equal((await bench.run(['clean'])).code, 0)
    await noImage('killed')
  })

  it('that lives is no business of clean, and succeeds', async () => {
    const child = bench.spawn(['optimize', 'small', 'survivor', ...WAITING])
    const end = finished(child)
    await says(child, /\| started/)
    const { code, stdout } = await bench.run(['clean', '--json'])
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(stdout).runs, [])
    assert.equal(child.exitCode, null)

    writeFileSync(join('/proc', bench.taskPid(), 'root', 'go'), '')
    const { code: own, stderr } = await end
    assert.equal(own, 0, stderr)
    await bench.stores.images.get('survivor')
  })

  it('beside one that is killed is not touched when clean undoes that one', async () => {
    const living = bench.spawn(['optimize', 'small', 'living', ...WAITING])
    const end = finished(living)
    await says(living, /\| started/)
    const pid = bench.taskPid()
    await killed(bench.spawn(['optimize', 'small', 'dead', ...WAITING]), /\| started/)

    const { stdout } = await bench.run(['clean', '--json'])
    assert.equal(JSON.parse(stdout).runs.length, 1)
    writeFileSync(join('/proc', pid, 'root', 'go'), '')
    const { code, stderr } = await end
    assert.equal(code, 0, stderr)
    await noImage('dead')
  })

  it('leaves no half-written record when it fails', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'optimize-leftovers-'))
    try {
      const record = ['--record-out', join(folder, 'record')]
      const { code } = await bench.run(['optimize', 'small', 'no-record', ...shell('exit 1'), ...record])
      assert.equal(code, 4)
      assert.deepEqual(readdirSync(folder), [])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

async function killed(child: ChildProcess, when: RegExp): Promise<void> {
  const end = once(child, 'exit')
  await says(child, when)
  child.kill('SIGKILL')
  assert.equal((await end)[1], 'SIGKILL')
}

/** Mounts of the private containerd and of this bench, and processes that were started with its environment. */
function traces(bench: OptimizerBench): string[] {
  const { folder, namespace } = bench.containerd.daemon
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => [folder, namespace, bench.temporaryFolder].some((name) => line.includes(name)))
    .map((line) => `mount ${line.split(' ')[4]}`)
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && started(bench, pid))
  return [...mounts, ...processes.map((pid) => `process ${pid}`)].sort()
}

function started(bench: OptimizerBench, pid: string): boolean {
  try {
    const path = join('/proc', pid, 'environ')
    return existsSync(path) && readFileSync(path, 'utf8').includes(bench.temporaryFolder)
  } catch {
    return false
  }
}

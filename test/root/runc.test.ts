/** Recording and optimizing without a daemon: an image in a layout, run by runc or crun. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Digest } from '../../optimizer/image/digest.ts'
import type { ImageConfig, Manifest } from '../../optimizer/image/manifest.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { hexOf } from '../../optimizer/unpack/layer-cache.ts'
import { CONTENTS_FILE } from '../../optimizer/unpack/layer-contents.ts'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { runFoldersRoot } from '../../optimizer/workload/run.ts'
import { type AccessRecord, parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { lackOfResourceCapability } from '../helpers/cgroup-v2.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { crunThatWorks } from '../helpers/crun.ts'
import { FakeRegistry } from '../helpers/fake-registry.ts'
import { groupsLeft } from '../helpers/leftovers.ts'
import { finished, OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

function readDiffId(blobs: string, { config }: Manifest, index: number): Digest {
  const bytes = readFileSync(join(blobs, hexOf(config.digest)), 'utf8')
  return (JSON.parse(bytes) as ImageConfig).rootfs.diff_ids[index] as Digest
}

const shell = (script: string) => ['--entrypoint', JSON.stringify(['/bin/sh', '-c', script])]
/** Told from others' by what it says. */
const KILLED = `echo started; sleep 1000; echo killed before ${randomUUID()}`
const NO_CONTAINERD = { CONTAINERD_ADDRESS: '/nonexistent/containerd.sock' }

describe('without containerd', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  let layout: string
  /** Of all runs so far. */
  const ids = new Set<string>()
  let watch: NodeJS.Timeout | undefined
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'runc-'))
    layout = join(folder, 'layout')
    const data = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`data/${name}`, `${name}\n`]))
    const layers = [busyboxFiles(), { 'data/': '', ...data }, { 'data/.wh.d': '', 'data/a': 'newer\n' }]
    const put = (stores: Parameters<typeof putImage>[0], name: string) =>
      putImage(stores, name, layers, { Env: ['PATH=/bin'], Cmd: ['cat', '/data/a'] })
    await bench.withStores((stores) => put(stores, 'source'))
    const opened = await OciLayout.openForWriting(layout)
    await put(opened, '1')
    await opened.close()
    watch = setInterval(() => {
      for (const name of ownRuns()) ids.add(name)
    }, 50)
  })
  after(async () => {
    clearInterval(watch)
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => assert.deepEqual(await leftovers(), []))

  const cache = () => join(folder, 'cache')
  /** Of runs that know no containerd, too. */
  async function leftovers(): Promise<string[]> {
    const under = join(cache(), 'unpacked')
    const inCache = existsSync(under)
      ? [...readdirSync(join(under, 'runs')), ...readdirSync(under).filter((name) => name.startsWith('new-'))]
      : []
    const runs = ownRuns()
    const mounts = mountPointsBelow(runFoldersRoot()).filter((path) => isOwn(path.split('/')[3] ?? ''))
    return [...(await bench.leftovers()), ...(await groupsLeft(ids)), ...inCache, ...runs, ...mounts]
  }
  function ownRuns(): string[] {
    return existsSync(runFoldersRoot()) ? readdirSync(runFoldersRoot()).filter(isOwn) : []
  }
  function isOwn(name: string): boolean {
    try {
      return readFileSync(join(runFoldersRoot(), name, 'runc.json'), 'utf8').includes(folder)
    } catch {
      return false
    }
  }

  const optimizer = (args: string[]) => bench.run([...args, '--cache-dir', cache()], NO_CONTAINERD)
  async function record(args: string[]): Promise<AccessRecord> {
    const { code, stdout, stderr } = await optimizer(['record', `oci:${layout}`, ...args])
    assert.equal(code, 0, stderr)
    return parseRecord(stdout)
  }
  const read = ({ entries }: AccessRecord) =>
    entries.map(({ phase, path, layerIndex }) => `${phase} ${path} ${layerIndex}`).sort()

  const SCRIPT = shell('cat /data/a /data/b; read word < /data/c; echo all read; exec sleep 1000')
  const STOP = [
    '--wait-on-line',
    'all read',
    '--ready-exec',
    '["cat","/data/a"]',
    '--exec',
    '["cat","/etc/group"]',
    '--settle',
    '50ms',
  ]

  const WORDS = [...SCRIPT, ...STOP, '--no-create-phase', '--stop-timeout', '1s']

  it('the same is recorded by containerd and by runc', async () => {
    const { code, stdout, stderr } = await bench.run(['record', 'source', ...WORDS])
    assert.equal(code, 0, stderr)
    const byContainerd = parseRecord(stdout)
    assert.ok(read(byContainerd).includes('run etc/group 0'))
    assert.ok(read(byContainerd).includes('run data/a 2'))
    const byRunc = await record(WORDS)
    assert.deepEqual(read(byRunc), read(byContainerd))
    assert.equal(byRunc.header.complete, true)
    assert.equal(byRunc.header.stop.reason, byContainerd.header.stop.reason)
    // What is in containerd can be run without it.
    const inContainerd = ['record', 'source', '--runner', 'runc', '--cache-dir', cache(), ...WORDS]
    const other = await bench.run(inContainerd)
    assert.equal(other.code, 0, other.stderr)
    assert.deepEqual(read(parseRecord(other.stdout)), read(byContainerd))
  })

  it('the same is recorded by crun', { skip: lackOfResourceCapability() }, async () => {
    const byCrun = await record([...WORDS, '--runtime', crunThatWorks(folder)])
    assert.deepEqual(read(byCrun), read(await record(WORDS)))
  })

  it('layers are unpacked once, and read once where they are converted too', async () => {
    rmSync(cache(), { recursive: true, force: true })
    const target = `oci:${join(folder, 'optimized')}`
    const optimize = async () => {
      const words = ['optimize', `oci:${layout}`, target, '--json', '--verify', ...shell('cat /data/b')]
      const done = await optimizer(words)
      assert.equal(done.code, 0, done.stderr)
      return { ...done, result: JSON.parse(done.stdout) as ConversionResult }
    }
    const first = await optimize()
    assert.match(first.stderr, /unpacked 3 of 3 layers/)
    assert.ok((first.result.layers[1]?.prioritizedFiles ?? 0) > 0)
    const again = await optimize()
    assert.doesNotMatch(again.stderr, /unpacked \d/)
    assert.equal(again.result.target.digest, first.result.target.digest)
    // The result runs here as well.
    const { code, stderr } = await optimizer(['record', target, '--log-level', 'info'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /\| newer/)
  })

  it('what an earlier run has unpacked is not fetched again to be recorded, unless it is damaged', async () => {
    rmSync(cache(), { recursive: true, force: true })
    const registry = await FakeRegistry.start()
    try {
      const blobs = join(layout, 'blobs', 'sha256')
      for (const name of readdirSync(blobs)) registry.addBlob('app', readFileSync(join(blobs, name)))
      const [{ digest, mediaType }] = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests
      const manifest = JSON.parse(readFileSync(join(blobs, digest.replace('sha256:', '')), 'utf8'))
      registry.addManifest('app', '1', mediaType, manifest)
      const layers: string[] = manifest.layers.map((layer: { digest: string }) => layer.digest)
      const recorded = async () => {
        registry.seen = []
        const words = [
          `docker://${registry.host}/app:1`,
          '--no-create-phase',
          ...shell('cat /data/a /data/b'),
        ]
        const { code, stdout, stderr } = await optimizer(['record', ...words])
        assert.equal(code, 0, stderr)
        const fetched = layers.filter((layer) =>
          registry.seen.some(({ method, path }) => method === 'GET' && path.endsWith(layer)),
        )
        return { files: read(parseRecord(stdout)), fetched }
      }
      const first = await recorded()
      assert.deepEqual(first.fetched, layers)
      assert.deepEqual(await recorded(), { files: first.files, fetched: [] })
      const ofLayer = join(
        cache(),
        'unpacked',
        'layers',
        hexOf(readDiffId(blobs, manifest, 1)),
        CONTENTS_FILE,
      )
      writeFileSync(ofLayer, readFileSync(ofLayer, 'latin1').replaceAll('data/b', 'data/x'))
      assert.deepEqual(await recorded(), { files: first.files, fetched: [layers[1]] })
    } finally {
      await registry.stop()
    }
  })

  it('a command that fails, or is none, is told as with containerd', async () => {
    const fails = async (args: string[]) => {
      const { code, stderr } = await optimizer(['record', `oci:${layout}`, ...args])
      return [code, /\[(\w+)\]$/m.exec(stderr)?.[1]]
    }
    assert.deepEqual(await fails(shell('exit 3')), [4, 'WORKLOAD_FAILED'])
    assert.deepEqual(await fails(['--entrypoint', '["nothing"]']), [4, 'COMMAND_NOT_FOUND'])
    assert.deepEqual(await fails(['--entrypoint', '["/data"]']), [4, 'COMMAND_NOT_EXECUTABLE'])
    assert.deepEqual(await fails(['--exec', '["nothing"]', ...shell('sleep 1000')]), [4, 'DRIVE_FAILED'])
  })

  it('what runs nothing needs no privilege, and what runs something says what it lacks', async () => {
    const own = join(folder, 'own')
    cpSync(layout, own, { recursive: true })
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const isReachable =
      spawnSync('setpriv', [...nobody.slice(1), 'test', '-r', import.meta.filename]).status === 0
    const wrapper = isReachable ? nobody : ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all']
    if (isReachable)
      for (const path of ['', ...readdirSync(own, { recursive: true }).map(String)])
        chownSync(join(own, path), 65534, 65534)
    chmodSync(folder, 0o755)
    const run = (args: string[]) =>
      bench.run(args, { ...NO_CONTAINERD, HOME: '/nonexistent', TMPDIR: '/tmp' }, wrapper)
    for (const args of [
      ['convert', `oci:${own}`, `oci:${own}:out`],
      ['optimize', `oci:${own}:1`, `oci:${own}:source-order`, '--no-optimize'],
      ['inspect', `oci:${own}:out`],
      ['verify', `oci:${own}:1`, `oci:${own}:out`],
      ['record', `oci:${own}:1`, '--dry-run'],
    ]) {
      const { code, stderr } = await run(args)
      assert.equal(code, 0, stderr)
    }
    const { code, stderr } = await run(['record', `oci:${own}:1`])
    assert.equal(code, 3)
    assert.match(stderr, /CAP_SYS_ADMIN.*\[PRIVILEGE_MISSING\]$/m)
  })

  it('a terminal and what is typed reach the workload', () => {
    const words = [
      'record',
      `oci:${layout}`,
      '-it',
      '--cache-dir',
      cache(),
      '--record-out',
      join(folder, 'r'),
    ]
    const script = 'read name; echo "to $name"; test -t 0 && cat /data/b'
    const command = [process.execPath, join(import.meta.dirname, '../../../bin/optimizer'), ...words]
    const quoted = [...command, ...shell(script)].map((word) => `'${word}'`).join(' ')
    const { stdout, status } = spawnSync('script', ['-qec', quoted, '/dev/null'], {
      input: 'data/a\n',
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: bench.temporaryFolder },
    })
    assert.equal(status, 0, stdout)
    assert.match(stdout, /to data\/a\r\n/)
    assert.ok(read(parseRecord(readFileSync(join(folder, 'r'), 'utf8'))).includes('run data/b 1'))
  })

  it('a run that is killed takes its workload along, and clean removes the rest', () =>
    bench.cleaningAlone(killedAndCleaned))

  async function killedAndCleaned(): Promise<void> {
    const words = ['record', `oci:${layout}`, '--cache-dir', cache(), ...shell(KILLED)]
    const child = bench.spawn(words, NO_CONTAINERD)
    const end = finished(child)
    await says(child, /\| started/)
    const pid = workload() ?? assert.fail('no workload runs')
    child.kill('SIGKILL')
    await end
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.notDeepEqual(await leftovers(), [])
    // As if it had been killed while it unpacked.
    const [run = ''] = readdirSync(join(cache(), 'unpacked', 'runs'))
    mkdirSync(join(cache(), 'unpacked', 'new-killed'))
    copyFileSync(
      join(cache(), 'unpacked', 'runs', run, 'process'),
      join(cache(), 'unpacked', 'new-killed', 'process'),
    )
    // Which cache it had is known from the run.
    const { code, stdout, stderr } = await bench.run([
      'clean',
      '--json',
      '--cache-dir',
      join(folder, 'other'),
    ])
    assert.equal(code, 0, stderr)
    const removed = JSON.parse(stdout).runs.flatMap((run: { removed: string[] }) => run.removed)
    for (const what of [
      /^container /,
      /^mount /,
      /^folder .*unpacked\/runs/,
      /^folder .*new-killed/,
      /^folder \/run\/hotlayer/,
    ])
      assert.ok(
        removed.some((noun: string) => what.test(noun)),
        `${what} in ${removed}`,
      )
    const layers = () => readdirSync(join(cache(), 'unpacked', 'layers')).length
    assert.ok(layers() > 0)
    const cleaned = await optimizer(['clean', '--cache'])
    assert.match(cleaned.stdout, /removed layer /)
    assert.equal(layers(), 0)
  }

  /** The process that runs it. */
  function workload(): string | undefined {
    return readdirSync('/proc').find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === ['/bin/sh', '-c', KILLED, ''].join('\0')
      } catch {
        return false
      }
    })
  }
})

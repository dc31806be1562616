/** `optimizer replay` as users run it, and the plan that follows an optimization. */
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { ReplayResult } from '../../optimizer/replay.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { type Finished, OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const shell = (script: string) => ['--entrypoint', JSON.stringify(['/bin/sh', '-c', script])]

describe('optimizer replay', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let optimized: Finished
  before(async () => {
    bench = await OptimizerBench.open()
    const data = { 'data/': '', 'data/a': 'a'.repeat(5000), 'data/b': 'b'.repeat(7000), 'data/c': 'c\n' }
    await bench.withStores((stores) =>
      putImage(stores, 'source', [busyboxFiles(), data], { Env: ['PATH=/bin'] }),
    )
    optimized = await bench.run(['optimize', 'source', 'optimized', ...shell('cat /data/b /data/a')])
  })
  after(async () => await bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  it('comes after an optimization that has told how much comes first', () => {
    assert.equal(optimized.code, 0, optimized.stderr)
    assert.match(
      optimized.stderr,
      /^a client fetches .* ahead \(.* %\); most of it in \/bin .*; the largest file is \/bin\/busybox, /m,
    )
  })

  it('finds all that is read in the hot zone, where the workload does what it did', async () => {
    const done = await bench.run([
      'replay',
      'optimized',
      '--min-hit',
      '100%',
      '--json',
      ...shell('cat /data/b /data/a'),
    ])
    assert.equal(done.code, 0, done.stderr)
    const { replay, source }: ReplayResult = JSON.parse(done.stdout)
    assert.equal(source.name, 'optimized')
    assert.deepEqual(
      [replay.misses.files, replay.waste.files, replay.hitShare],
      [0, 0, { files: 1, bytes: 1 }],
    )
    assert.ok(replay.hits.files >= 3 && replay.hotZoneBytes > replay.hits.compressedBytes / 2)
  })

  it('names what is fetched on demand and what was fetched in vain, and fails below a minimum', async () => {
    const done = await bench.run([
      'replay',
      'optimized',
      '--min-hit',
      '100%',
      ...shell('cat /data/a /data/c'),
    ])
    assert.equal(done.code, 6, done.stderr)
    assert.match(done.stdout, /^missed: 1 file, 2 B .*\n {2}\/data\/c \(layer 1, 2 B\)$/m)
    assert.match(done.stdout, /^wasted: 1 file, 6\.8 KiB .*\n {2}\/data\/b \(layer 1, 6\.8 KiB\)$/m)
    assert.match(done.stderr, /\[HIT_BELOW_MINIMUM\]/)
  })

  it('runs the target and the workloads of the file that it was optimized with, whose record it leaves alone', async () => {
    const [file, record] = ['run.yaml', 'source.jsonl'].map((name) => join(bench.temporaryFolder, name)) as [
      string,
      string,
    ]
    const workload = (name: string, script: string) =>
      `  - {name: ${name}, entrypoint: [/bin/sh, -c, "${script}"]}`
    writeFileSync(
      file,
      [
        'source: source',
        'target: optimized',
        `record-out: ${record}`,
        'workloads:',
        workload('one', 'cat /data/b'),
        workload('two', 'cat /data/a /data/c'),
        '',
      ].join('\n'),
    )
    const done = await bench.run(['replay', '--config', file, '--json'])
    assert.deepEqual([done.code, existsSync(record)], [0, false], done.stderr)
    const { replay, source, record: run }: ReplayResult = JSON.parse(done.stdout)
    assert.deepEqual([source.name, run.workloads?.map(({ name }) => name)], ['optimized', ['one', 'two']])
    assert.deepEqual([replay.misses.paths.map(({ path }) => path), replay.waste.files], [['data/c'], 0])
    rmSync(file)
  })

  it('runs nothing where nothing comes first', async () => {
    const { code, stderr } = await bench.run(['replay', 'source', ...shell('exit 9')])
    assert.equal(code, 3)
    assert.match(stderr, /nothing of source comes first, .* \[NOT_OPTIMIZED\]/)
  })
})

/** A notifier that is not ours drives whole runs: what the protocol's text says is enough. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type AccessRecord, parseRecord } from '../../shared/record.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probeFile, putRawImage } from '../helpers/raw-image.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'
import { BRIEF, putFreshImages } from './fault-bench.ts'

const SECOND = fileURLToPath(new URL('../../../test/second-notifier/notifier.py', import.meta.url))
/** Verbs of the probe; between them every kind of access. */
const VERBS = [
  'read',
  '/data/a',
  'map',
  '/data/b',
  'open',
  '/data/c',
  'exec',
  '/bin/script',
  'read',
  '/data/a',
  'burst',
  '/many',
  '300',
]

describe('a second notifier', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'optimizer-second-'))
    const many = Array.from({ length: 300 }, (_, number) => file(`many/${number}`, 'x'))
    const data = ['a', 'b', 'c', 'unread'].map((name) => file(`data/${name}`, name))
    const script = file('bin/script', '#!/probe stat\n', { mode: 0o755 })
    const tar = tarOf([probeFile(), dir('data/'), ...data, dir('many/'), ...many, dir('bin/'), script])
    await bench.withStores((stores) => putRawImage(stores, 'probe', [{ tar }]))
    await putFreshImages(bench, ['image'])
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  async function record(name: string, options: string[]): Promise<AccessRecord> {
    const path = join(folder, name)
    const workload = ['--period', '60s', '--entrypoint', JSON.stringify(['/probe', ...VERBS])]
    const { code, stderr } = await bench.run([
      'record',
      'probe',
      '--record-out',
      path,
      ...workload,
      ...options,
    ])
    assert.equal(code, 0, stderr)
    return parseRecord(readFileSync(path, 'utf8'))
  }

  /** What both must agree on. */
  function told({ entries }: AccessRecord): string[] {
    return entries.map(({ path, kinds, phase, sizeBytes }) =>
      [path.toString(), kinds.join('+'), phase, sizeBytes].join(' '),
    )
  }

  const cases: [what: string, options: string[]][] = [
    ['a file system mark', ['--mark', 'filesystem']],
    ['a mount mark', ['--mark', 'mount']],
    ['evidence of reading', ['--record-reads']],
  ]
  for (const [what, options] of cases) {
    it(`records the same, in the same order, with ${what}`, async () => {
      const ours = await record('ours', options)
      const theirs = await record('theirs', ['--notifier', SECOND, ...options])
      assert.equal(theirs.header.complete, true)
      assert.deepEqual(theirs.header.mark, ours.header.mark)
      assert.deepEqual(told(theirs), told(ours))
      assert.ok(theirs.entries.length >= 305)
    })
  }

  it('drives a conversion from its record', async () => {
    const result = await bench.optimize('image', 'target', ['--notifier', SECOND, ...BRIEF])
    assert.ok(result.record?.complete)
    assert.equal((await bench.stores.images.get('target')).target.digest, result.target.digest)
  })
})

/** The command's zstd:chunked results: the original's client finds their TOC, our verification finds no difference. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Inspection } from '../../optimizer/inspect.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const TOC_DIGEST = 'containerd.io/snapshot/stargz/toc.digest'
const STARGZ = ['--no-optimize', '--zstdchunked', '--zstdchunked-chunk-size', '4096']
const CONTAINERS = [...STARGZ, '--zstdchunked-dialect', 'containers']

describe('optimize --zstdchunked', {
  skip: skipWithoutContainerd() || skipWithoutCommands('ctr-remote'),
}, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await bench.withStores((stores) => putRawImage(stores, 'odd', oddLayers({ containerdOnly: true }), {}))
    await bench.optimize('odd', 'stargz', STARGZ)
    // Of a zstd:chunked source.
    await bench.optimize('stargz', 'containers', CONTAINERS)
    await bench.optimize('containers', 'again', STARGZ)
  })
  after(() => bench?.close())

  it('writes layers whose TOC the original finds, with the digest that is annotated', async () => {
    const { manifest } = await bench.documents('stargz')
    for (const { digest, annotations } of manifest.layers) {
      const found = bench.tool('ctr-remote', ['images', 'get-toc-digest', '--zstdchunked', digest]).trim()
      assert.equal(found, annotations?.[TOC_DIGEST])
    }
  })

  it('never says of a layer what two kinds of readers would believe', async () => {
    for (const [image, ours, foreign] of [
      ['stargz', /^(containerd\.io\/snapshot\/stargz|io\.containers\.)/, /^io\.github\.containers/],
      ['containers', /^io\.github\.containers/, /^(containerd\.io\/snapshot\/stargz|io\.containers\.)/],
    ] as const) {
      const keys = (await bench.documents(image)).manifest.layers.flatMap(({ annotations = {} }) =>
        Object.keys(annotations),
      )
      assert.ok(keys.some((key) => ours.test(key)))
      assert.deepEqual(
        keys.filter((key) => foreign.test(key)),
        [],
      )
    }
  })

  it('holds the same file system in every dialect, also made from another', async () => {
    for (const target of ['stargz', 'containers', 'again']) {
      const { code, stdout, stderr } = await bench.run(['verify', 'odd', target, '--max-differences', '50'])
      assert.equal(code, 0, `${stderr}${stdout}`)
    }
    const [first, again] = await Promise.all(['stargz', 'again'].map((image) => bench.documents(image)))
    assert.deepEqual(again?.manifest.layers, first?.manifest.layers)
  })

  it('is told by inspect', async () => {
    const { stdout } = await bench.run(['inspect', 'containers', '--json'])
    const formats = (JSON.parse(stdout) as Inspection).layers.map(({ format }) => format)
    assert.deepEqual(new Set(formats), new Set(['zstdchunked-containers']))
  })

  it('refuses a dialect of eStargz, and an engine for zstd', async () => {
    for (const options of [
      ['--zstdchunked-dialect', 'containers'],
      ['--zstdchunked', '--compression-engine', 'zlib'],
      ['--zstdchunked', '--zstdchunked-compression-level', '20'],
    ]) {
      assert.equal((await bench.run(['optimize', 'odd', 'never', '--no-optimize', ...options])).code, 2)
    }
  })
})

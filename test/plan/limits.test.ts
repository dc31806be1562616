/** --prefetch-budget and --exclude: which part of an order is left. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { estargzFormat } from '../../optimizer/estargz/estargz-format.ts'
import { HotZones } from '../../optimizer/plan/hot-zones.ts'
import { limitOrder } from '../../optimizer/plan/limits.ts'
import { pathsByLayer, type WantedFile } from '../../optimizer/record/wanted-files.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { dir, file, link, tarOf } from '../helpers/tar-language.ts'
import { openTar } from '../helpers/tar-layer.ts'

const TARS = [
  tarOf([
    dir('a/'),
    file('a/one', randomBytes(20_000)),
    file('a/two', randomBytes(30_000)),
    file('a/three', 'x'),
  ]),
  tarOf([
    file('b/one', randomBytes(10_000)),
    link('b/link', 'b/one'),
    dir('b/c/'),
    file('b/c/two', 'y'.repeat(9999)),
  ]),
]
const WANTED: WantedFile[] = [
  { layerIndex: 0, path: 'a/two' },
  { layerIndex: 1, path: 'b/link' },
  { layerIndex: 1, path: 'b/no-such' },
  { layerIndex: 0, path: 'a/three' },
  { layerIndex: 1, path: 'b/c/two' },
  { layerIndex: 0, path: 'a/one' },
]

describe('What comes first', () => {
  let pool: CompressionPool
  let layers: OpenedLayer[]
  let zones: HotZones
  before(async () => {
    pool = new CompressionPool({ workers: 1 })
    layers = await Promise.all(TARS.map((tar) => openTar(tar)))
    const format = estargzFormat({
      compressionLevel: 6,
      prefetchCompressionLevel: 6,
      chunkBytes: 4 * 1024 ** 2,
    })
    zones = new HotZones({ layers, format, pool, signal: new AbortController().signal })
  })
  after(async () => {
    await pool?.close()
    for (const layer of layers) await layer.close()
  })

  const limited = (budgetBytes: number | null, excluded: string[] = []) =>
    limitOrder({ wanted: WANTED, excluded: [] }, layers, { excluded, budgetBytes }, () => zones)

  async function bytesOf(wanted: readonly WantedFile[]): Promise<number> {
    let bytes = 0
    for (const [index, paths] of pathsByLayer(wanted, layers.length).entries())
      bytes += (await zones.measure(index, paths)).bytes
    return bytes
  }

  it('is all of it without a budget', async () => {
    assert.deepEqual(await limited(null), { wanted: WANTED, leftOut: [], unmatched: [] })
  })

  it('is the longest beginning of the order within the budget, to the byte', async () => {
    for (let count = 0; count <= WANTED.length; count++) {
      const beginning = WANTED.slice(0, count)
      const bytes = await bytesOf(beginning)
      const exact = await limited(bytes)
      assert.ok((await bytesOf(exact.wanted)) <= bytes)
      assert.ok(exact.wanted.length >= count)
      assert.deepEqual(exact.wanted, WANTED.slice(0, exact.wanted.length))
      const less = await limited(Math.max(0, bytes - 1))
      assert.ok((await bytesOf(less.wanted)) <= Math.max(0, bytes - 1))
    }
  })

  it('names what was cut, with its size', async () => {
    const { leftOut } = await limited(await bytesOf(WANTED.slice(0, 3)))
    assert.deepEqual(
      leftOut
        .filter(({ reason }) => reason === 'budget')
        .map(({ path, layerIndex, sizeBytes }) => [path, layerIndex, sizeBytes])
        .slice(-2),
      [
        ['b/c/two', 1, 9999],
        ['a/one', 0, 20_000],
      ],
    )
  })

  it('lacks what is excluded, which takes nothing of the budget', async () => {
    const { wanted, leftOut } = await limited(null, ['**/two'])
    assert.deepEqual(
      wanted.map(({ path }) => path),
      ['b/link', 'b/no-such', 'a/three', 'a/one'],
    )
    assert.deepEqual(leftOut, [
      { path: 'a/two', layerIndex: 0, sizeBytes: 30_000, reason: 'excluded' },
      { path: 'b/c/two', layerIndex: 1, sizeBytes: 9999, reason: 'excluded' },
    ])
    const both = await limited(await bytesOf(wanted), ['**/two'])
    assert.deepEqual(both.wanted, wanted)
  })

  it('tells the globs that match no file of the image, whether it was wanted or not, and those that name a folder', async () => {
    const { unmatched } = await limited(null, ['**/two', 'b/one', 'no/such', 'b/c', 'b/c/*', '**/*.pyc'])
    assert.deepEqual(unmatched, [
      { glob: 'no/such', isFolder: false },
      { glob: 'b/c', isFolder: true },
      { glob: '**/*.pyc', isFolder: false },
    ])
  })

  it('tells of a file once, with its size, and of none that comes first by another name', async () => {
    const names = ['b/link', 'b/one', 'b/c/two'].map((path) => ({ layerIndex: 1, path }))
    const of = async (excluded: string[], listed: WantedFile[] = []) =>
      (
        await limitOrder(
          { wanted: names.slice(0, 2), excluded: listed },
          layers,
          { excluded, budgetBytes: null },
          () => zones,
        )
      ).leftOut.map(({ path, sizeBytes }) => [path, sizeBytes])
    assert.deepEqual(await of(['b/one']), [])
    assert.deepEqual(await of(['b/*'], names.slice(1)), [
      ['b/link', 10_000],
      ['b/c/two', 9999],
    ])
  })

  it('is nothing where the budget holds nothing', async () => {
    const { wanted, leftOut } = await limited(1)
    assert.deepEqual(wanted, [])
    assert.ok(leftOut.every(({ reason }) => reason === 'budget'))
  })
})

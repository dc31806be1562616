/** An image and its conversion, unpacked by programs that are not ours, are the same file system. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import {
  CAPABILITY,
  LONG_COMPONENT,
  NON_UTF8,
  ODD_READS,
  ODD_WORKLOAD,
  oddLayers,
  sparseTar,
} from '../helpers/odd-layers.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import type { TreeEntry } from '../helpers/tree.ts'
import { skipWithoutCommands, treeByContainerd, treeByTar, treeByUmoci } from '../helpers/unpackers.ts'

/** What eStargz adds at the root of an image. */
const ADDED = new Set(['.prefetch.landmark', '.no.prefetch.landmark', 'stargz.index.json'])
const SOURCE = 'odd'
const FOREIGN_SOURCE = 'odd-docker-indexed'
/** Small, so that files have several. */
const CHUNKS = ['--estargz-chunk-size', '4096']
const WORKLOAD = [...CHUNKS, '--entrypoint', JSON.stringify(ODD_WORKLOAD)]

const skip = skipWithoutContainerd() || skipWithoutFanotify() || skipWithoutCommands('ctr', 'umoci', 'tar')

describe('the converted image', { skip }, () => {
  let bench: OptimizerBench
  let source: TreeEntry[]
  before(async () => {
    bench = await OptimizerBench.open()
    await bench.withStores(async (stores) => {
      await putRawImage(stores, SOURCE, oddLayers())
      await putRawImage(stores, FOREIGN_SOURCE, oddLayers({ containerdOnly: true }), {
        types: 'docker',
        indexed: true,
      })
    })
    source = treeByContainerd(bench, SOURCE)
  })
  after(() => bench?.close())

  it('comes from a source with everything that a layer may hold', () => {
    const byPath = new Map(source.map((entry) => [entry.path, entry]))
    const at = (path: string) => byPath.get(path) ?? assert.fail(`${path} is not in the source`)
    for (const path of [
      'gone/a',
      'gone/folder',
      'opaque-first/old',
      'opaque-last/sub',
      'becomes-file/inside',
    ])
      assert.equal(byPath.has(path), false, `${path} should be removed`)
    assert.equal(at('attributes/capable')['xattr security.capability'], CAPABILITY.toString('hex'))
    assert.equal(at('attributes/user')['xattr user.binary'], '00ff0a3d0080')
    assert.equal(at('attributes/uid-pax').uid, 3_000_000)
    assert.equal(at('attributes/uid-setuid').mode, '0o6755')
    assert.equal(at('attributes').mode, '0o1777')
    assert.equal(at('attributes/sub-second').mtime, '1500000000123456789')
    assert.equal(at('attributes/old-folder').mtime, '1000000000250000000')
    assert.deepEqual([at('attributes/char').device, at('attributes/block').device], ['1:3', '7:200'])
    assert.equal(at('attributes/fifo').type, 'fifo')
    assert.equal(at('hard/b').sameFileAs, 'elsewhere/c')
    assert.equal(at('dup/link-to-old').sameFileAs, undefined)
    assert.equal(at(NON_UTF8.toString('latin1')).size, 'a name that is not UTF-8'.length)
    assert.equal(at(`names/${LONG_COMPONENT}`).type, 'reg')
    assert.equal(at('sparse-pax/holes').size, 1 << 20)
    assert.equal(at('deep').mtime, 'unpacking')
  })

  it('is the same file system in source order', async () => {
    const { record } = await bench.optimize(SOURCE, 'plain', ['--no-optimize', ...CHUNKS])
    assert.equal(record, null)
    assert.deepEqual(withoutAdded(treeByContainerd(bench, 'plain')), source)
    assert.deepEqual(withoutAdded(await treeByUmoci(bench, 'plain')), await treeByUmoci(bench, SOURCE))
  })

  it('is the same file system when a workload has changed the order', async () => {
    const { record, layers } = await bench.optimize(SOURCE, 'ordered', WORKLOAD)
    // And the program itself; but two of the names are one file.
    assert.equal(record?.files, ODD_READS.length + 1 - 1)
    assert.ok(layers.filter(({ prioritizedFiles }) => prioritizedFiles > 0).length > 5)
    assert.deepEqual(withoutAdded(treeByContainerd(bench, 'ordered')), source)
    assert.deepEqual(withoutAdded(await treeByUmoci(bench, 'ordered')), await treeByUmoci(bench, SOURCE))
  })

  it('is the same file system when it comes from Docker media types, an index and the oddest layers', async () => {
    const tree = treeByContainerd(bench, FOREIGN_SOURCE)
    for (const options of [['--no-optimize'], WORKLOAD]) {
      await bench.optimize(FOREIGN_SOURCE, 'from-docker', options)
      assert.deepEqual(withoutAdded(treeByContainerd(bench, 'from-docker')), tree)
    }
  })

  it('has sparse files whole that containerd itself refuses to unpack', async () => {
    const tar = sparseTar('gnu')
    await bench.withStores((stores) => putRawImage(stores, 'sparse', [{ tar }]))
    assert.throws(() => treeByContainerd(bench, 'sparse'), /unhandled tar header type 83/)
    const { layers } = await bench.optimize('sparse', 'no-longer-sparse', ['--no-optimize'])
    assert.equal(layers[0]?.notes.sparseEntries, 1)
    const [, ...below] = treeByTar(tar)
    const [, ...converted] = withoutAdded(treeByContainerd(bench, 'no-longer-sparse'))
    assert.deepEqual(converted, below)
  })

  it('is the same file system when it is converted again', async () => {
    await bench.optimize(SOURCE, 'once', WORKLOAD)
    await bench.optimize('once', 'twice', ['--no-optimize'])
    assert.deepEqual(withoutAdded(treeByContainerd(bench, 'twice')), source)
  })
})

function withoutAdded(tree: TreeEntry[]): TreeEntry[] {
  return tree.filter(({ path }) => !ADDED.has(path))
}

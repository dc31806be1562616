/** What somebody has made so that verification ends badly, or does not end. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { Differences } from '../../optimizer/verify/difference.ts'
import { compareTrees, MergedTree } from '../../optimizer/verify/merged-tree.ts'
import { Queues } from '../../optimizer/verify/queues.ts'
import { scanLayer } from '../../optimizer/verify/scan.ts'
import { TocLayers } from '../../optimizer/verify/toc-layers.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { dir, file, symlink, tarOf } from '../helpers/tar-language.ts'

const MANY = 200_000

describe('a hostile image', () => {
  it('has a link of many parts, and a file behind it', async () => {
    const target = `${'./'.repeat(MANY)}d`
    const tar = tarOf([dir('d/'), symlink('l', target, { format: 'pax' }), file('l/x', 'behind the link')])
    const digest = digestOf(tar)
    const read = async function* () {
      yield tar
    }
    const differences = new Differences(10)
    const findings = differences.at(null, null)
    const descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest, size: tar.length }
    const scan = (await scanLayer({ descriptor, diffId: digest, read }, findings)) ?? assert.fail()
    const [left, right] = [new MergedTree(), new MergedTree()]
    for (const tree of [left, right]) tree.apply(scan)
    assert.equal(compareTrees(left, right, findings).files, 4)
    assert.deepEqual(differences.first(), [])
  })

  it('has a TOC of one name alone: each is found as soon as the first', () => {
    const queues = new Queues<number>()
    for (let n = 0; n < MANY; n++) queues.add('a', n)
    for (let n = 0; n < MANY - 2; n++) assert.equal(queues.take('a'), n)
    assert.deepEqual(queues.rest(), [MANY - 2, MANY - 1])
    assert.deepEqual([queues.has('a'), queues.has('b'), queues.take('b')], [true, false, undefined])
  })
})

describe('an image of TOCs that is not there', () => {
  it('is told once, however many layers have theirs in it', async () => {
    const differences = new Differences(10)
    const root = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('none'), size: 4 }
    const content = new MemoryContentStore()
    const request = { content, image: { name: 'tocs', root }, platform: hostPlatform(), gcLabels: false }
    const tocs = new TocLayers(request, differences.at(null, null))
    for (const layer of ['one', 'two'])
      await tocs.read({ ...root, digest: digestOf(layer) }, differences.at(null, null))
    assert.deepEqual(Object.fromEntries(differences.counts), { BLOB_MISSING: 1, TOC_LAYER_MISSING: 2 })
  })
})

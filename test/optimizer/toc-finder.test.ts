import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeFooter } from '../../optimizer/estargz/gzip.ts'
import { findToc } from '../../optimizer/inspect.ts'
import { tocFinder } from '../../optimizer/toc-images.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'

describe('The image of tables of contents', () => {
  it('is looked for once, however many layers ask for it', async () => {
    let asked = 0
    const find = async () => {
      asked++
      throw new NotFoundError('no such image')
    }
    const stores = { images: { find }, content: {} } as never
    const location = { kind: 'containerd', reference: 'a' } as never
    const findTocs = tocFinder(stores, location, { name: 'a', root: {} } as never, null)
    assert.deepEqual([await findTocs(), await findTocs(), asked], [null, null, 1])
  })
})

describe('a layer whose table of contents cannot be read', () => {
  it('is named, as a fault of the image: status 3', async () => {
    const content = new MemoryContentStore()
    const digest = content.add(encodeFooter(5000))
    const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 51 }
    await assert.rejects(
      findToc(content, layer, async () => null),
      {
        code: 'TOC_MALFORMED',
        exitCode: 3,
        message: new RegExp(`^layer ${digest}: the footer names the offset 5000`),
      },
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tocFinder } from '../../optimizer/toc-images.ts'
import { NotFoundError } from '../../shared/errors.ts'

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

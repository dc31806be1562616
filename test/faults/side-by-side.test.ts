/** Two optimizers at once on one image that neither has unpacked. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, putFreshImages } from './fault-bench.ts'

describe('two optimizers at once on the same image', {
  skip: skipWithoutContainerd() || skipWithoutFanotify(),
}, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await putFreshImages(bench, ['image', 'other'])
  })
  after(() => bench?.close())

  it('make the same image twice', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map((target) => bench.optimize('image', target, BRIEF)),
    )
    assert.deepEqual(
      one?.layers.map(({ target }) => target.digest),
      two?.layers.map(({ target }) => target.digest),
    )
    for (const name of ['one', 'two']) await bench.stores.images.get(name)
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('may have the same target: the last one stays, whole', async () => {
    const results = await Promise.all([0, 1].map(() => bench.optimize('other', 'target', BRIEF)))
    const { digest } = (await bench.stores.images.get('target')).target
    assert.ok(results.some(({ target }) => target.digest === digest))
    await bench.documents('target')
    assert.deepEqual(await bench.leftovers(), [])
  })
})

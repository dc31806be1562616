/** SIGINT and SIGTERM at every stage: status 130, no image, nothing left. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { NotFoundError } from '../../shared/errors.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, nameOf, putFreshImages } from './fault-bench.ts'
import { MOMENTS, signalAt } from './moments.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

describe('an interruption', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    const names = SIGNALS.flatMap((signal) => MOMENTS.map((moment) => nameOf(signal, moment)))
    await putFreshImages(bench, names)
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  for (const signal of SIGNALS) {
    it(`by ${signal} ends the run with 130 and leaves nothing, at every stage`, async () => {
      await Promise.all(MOMENTS.map((moment) => interrupted(moment, signal)))
    })
  }

  async function interrupted(moment: string, signal: NodeJS.Signals): Promise<void> {
    const name = nameOf(signal, moment)
    const target = `${name}-target`
    const { code, stdout, stderr } = await bench.run(
      ['optimize', name, target, ...BRIEF],
      signalAt(moment, signal),
    )
    assert.ok(stderr.includes(`\n${moment}`) || stderr.startsWith(moment), `${moment}: ${stderr}`)
    assert.deepEqual([code, stdout], [130, ''], `${moment}: ${stderr}`)
    assert.match(stderr, new RegExp(`^optimizer: interrupted by ${signal} \\[INTERRUPTED\\]$`, 'm'))
    await assert.rejects(bench.stores.images.get(target), NotFoundError)
  }
})

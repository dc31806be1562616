/** SIGKILL at every stage: `clean` removes what was left, and nothing else. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { NotFoundError } from '../../shared/errors.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, ENDLESS, nameOf, processesAtLast, putFreshImages } from './fault-bench.ts'
import { MOMENTS, RUNNING, signalAt } from './moments.ts'

describe('an optimizer that is killed', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await putFreshImages(bench, [...MOMENTS.map((moment) => nameOf(moment)), 'after'])
  })
  after(() => bench?.close())

  it('at any stage leaves what clean removes, and nothing of others', async () => {
    const foreign = await makeForeignThings(bench)
    await Promise.all(MOMENTS.map((moment) => killed(moment)))
    // Nobody tells the notifiers: they end because their optimizer is gone.
    assert.deepEqual(await processesAtLast(bench), [])
    assert.notDeepEqual(await left(bench, foreign), [])

    const { code, stdout, stderr } = await bench.run(['clean', '--json'])
    assert.equal(code, 0, stderr)
    const { runs, undecided } = JSON.parse(stdout)
    assert.equal(runs.length, MOMENTS.length)
    assert.deepEqual(
      runs.flatMap(({ failures }: { failures: string[] }) => failures),
      [],
    )
    assert.deepEqual(undecided, [])
    assert.deepEqual(await left(bench, foreign), [])
    assert.deepEqual(await foreign.present(), ['container', 'lease', 'snapshot', 'ingest'])
    await foreign.remove()
  })

  it('is no obstacle to the next run', async () => {
    const result = await bench.optimize('after', 'after-target', BRIEF)
    assert.equal((await bench.stores.images.get('after-target')).target.digest, result.target.digest)
    assert.deepEqual(await bench.leftovers(), [])
  })

  async function killed(moment: string): Promise<void> {
    const name = nameOf(moment)
    const workload = moment === RUNNING ? ENDLESS : BRIEF
    const { code, stderr } = await bench.run(
      ['optimize', name, `${name}-target`, ...workload],
      signalAt(moment, 'SIGKILL'),
    )
    assert.equal(code, null, `${moment}: ${stderr}`)
    await assert.rejects(bench.stores.images.get(`${name}-target`), NotFoundError)
  }
})

interface ForeignThings {
  names: string[]
  present(): Promise<string[]>
  remove(): Promise<void>
}

/** Things of somebody else that look like ours, but for the labels. */
async function makeForeignThings(bench: OptimizerBench): Promise<ForeignThings> {
  const { client } = bench.containerd
  const name = 'hotlayer-0123456789ab'
  await client.leases.create(name, { 'hotlayer.run/other': name }, new Date(Date.now() + 3600_000))
  const leased = client.underLease(name)
  await leased.snapshots('overlayfs').prepare(name, '', {})
  await leased.containers.create({
    id: name,
    image: 'after',
    labels: {},
    snapshotter: 'overlayfs',
    snapshotKey: name,
    spec: {},
  })
  const ingest = await leased.content.write(`${name}-ingest`)
  await ingest.write(Buffer.from('unfinished'))
  const present = async () => {
    const found: string[] = []
    if ((await client.containers.list()).some(({ id }) => id === name)) found.push('container')
    if ((await client.leases.list()).some(({ id }) => id === name)) found.push('lease')
    if (await client.snapshots('overlayfs').exists(name)) found.push('snapshot')
    if ((await client.content.listIngests(name)).length > 0) found.push('ingest')
    return found
  }
  const remove = async () => {
    await ingest.abort()
    await client.containers.delete(name)
    await client.snapshots('overlayfs').remove(name)
    await client.leases.delete(name)
  }
  return { names: [name, `${name}-ingest`], present, remove }
}

async function left(bench: OptimizerBench, foreign: ForeignThings): Promise<string[]> {
  const lines = await bench.leftovers()
  return lines.filter((line) => !foreign.names.some((name) => line.split(' ')[1] === name))
}

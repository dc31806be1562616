import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Process, Resource, type Step, type Task, World } from '../../optimizer/simulate/virtual-time.ts'

/** When each of these processes ends, all begun at 0. */
function endsOf(...processes: Step[][]): number[] {
  const world = new World()
  const tasks = processes.map((steps) => world.start(processOf(steps)))
  world.run()
  return tasks.map(({ endedAt }) => Number(endedAt.toFixed(6)))
}

function* processOf(steps: readonly Step[]): Process {
  for (const step of steps) yield step
}

describe('virtual time', () => {
  it('passes for each process by itself', () => {
    assert.deepEqual(endsOf([{ seconds: 1 }, { seconds: 2 }], [{ seconds: 0.5 }]), [3, 0.5])
  })

  it('shares a resource fairly among those who use it at the same moment', () => {
    const link = new Resource(100)
    const use = (amount: number) => ({ use: link, amount })
    assert.deepEqual(endsOf([use(100)]), [1])
    assert.deepEqual(endsOf([use(100)], [use(100)]), [2, 2])
    assert.deepEqual(endsOf([use(100)], [use(50)]), [1.5, 1])
    assert.deepEqual(endsOf([use(100)], [{ seconds: 0.5 }, use(25)]), [1.25, 1])
  })

  it('gives nobody more than they can take, and the rest to the others', () => {
    const processors = new Resource(2)
    const alone = { use: processors, amount: 1, most: 1 }
    assert.deepEqual(endsOf([alone]), [1])
    assert.deepEqual(endsOf([alone], [alone]), [1, 1])
    assert.deepEqual(endsOf([alone], [{ use: processors, amount: 2 }]), [1, 1.5])
    assert.deepEqual(endsOf([alone], [alone], [alone], [alone]), [2, 2, 2, 2])
  })

  it('waits for others, and no longer than it is told to', () => {
    const world = new World()
    const slow = world.start(processOf([{ seconds: 5 }]))
    const ends: number[] = []
    const wait = function* (tasks: Task[], atMostSeconds?: number): Process {
      yield atMostSeconds === undefined ? { ends: tasks } : { ends: tasks, atMostSeconds }
      ends.push(world.now)
    }
    world.start(wait([slow]))
    world.start(wait([slow], 2))
    world.start(wait([]))
    world.run()
    assert.deepEqual(ends, [0, 2, 5])
  })

  it('ends where nothing is left to happen, whatever the amounts are', () => {
    const link = new Resource(1e9 / 8)
    const ends = endsOf(...[1e9, 3, 0.1, 7e10, 0].map((amount) => [{ use: link, amount }]))
    assert.equal(ends.every(Number.isFinite), true)
  })

  it('ends when what is left to do takes less than its clock can tell', () => {
    const use = { use: new Resource(1e9 / 8), amount: 100 }
    assert.deepEqual(endsOf([{ seconds: 1e10 }, use]), [1e10])
  })
})

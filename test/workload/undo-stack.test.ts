import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UndoStack } from '../../optimizer/workload/undo-stack.ts'

function logTo(lines: string[]) {
  return { debug() {}, info() {}, warn: (line: string) => void lines.push(line) }
}

describe('an undo stack', () => {
  it('undoes the last thing first', async () => {
    const stack = new UndoStack()
    const order: string[] = []
    for (const name of ['a', 'b', 'c']) stack.push(name, async () => void order.push(name))
    assert.deepEqual(await stack.undoAll(logTo([])), [])
    assert.deepEqual(order, ['c', 'b', 'a'])
  })

  it('tries every step and tells of each that failed', async () => {
    const stack = new UndoStack()
    const undone: string[] = []
    stack.push('the first', () => void undone.push('first'))
    stack.push('the broken', () => Promise.reject(new Error('stuck')))
    stack.push('the thrower', () => {
      throw new Error('thrown')
    })
    stack.push('the last', () => void undone.push('last'))
    const warnings: string[] = []
    const failures = await stack.undoAll(logTo(warnings))
    assert.deepEqual(undone, ['last', 'first'])
    assert.deepEqual(warnings, ['could not remove the thrower: thrown', 'could not remove the broken: stuck'])
    assert.equal(failures.length, 2)
  })

  it('tells each step how much of what was made later is still there', async () => {
    const stack = new UndoStack()
    const told: number[] = []
    stack.push('the folder', (failures) => void told.push(failures))
    stack.push('the broken', () => Promise.reject(new Error('stuck')))
    stack.push('the mount', (failures) => void told.push(failures))
    await stack.undoAll(logTo([]))
    assert.deepEqual(told, [0, 1])
  })

  it('does not undo again what was undone early', async () => {
    const stack = new UndoStack()
    let times = 0
    const undo = stack.push('it', () => void times++)
    await undo()
    await undo()
    await stack.undoAll(logTo([]))
    assert.equal(times, 1)
  })

  it('tries again what failed early', async () => {
    const stack = new UndoStack()
    let times = 0
    const undo = stack.push('it', () => {
      if (++times === 1) throw new Error('not yet')
    })
    await assert.rejects(undo(), /not yet/)
    assert.deepEqual(await stack.undoAll(logTo([])), [])
    assert.equal(times, 2)
  })
})

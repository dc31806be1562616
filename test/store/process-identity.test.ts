import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import {
  formatIdentity,
  ownIdentity,
  parseIdentity,
  stateOf,
} from '../../optimizer/store/process-identity.ts'

describe('the identity of a process', () => {
  const own = ownIdentity()

  it('survives its text form, which fits into a label', () => {
    const text = formatIdentity(own)
    assert.deepEqual(parseIdentity(text), own)
    assert.match(text, /^[^\s]{1,200}$/)
  })

  it('is not read from anything else', () => {
    for (const text of ['', '1', 'a,b,c,d', '1,2,3', '1,2,3,4,5', '-1,2,3,4'])
      assert.equal(parseIdentity(text), null, text)
  })

  it('tells that this process lives', () => assert.equal(stateOf(own), 'alive'))

  it('tells a dead process, also when its pid is used again', async () => {
    const child = spawn('true')
    await once(child, 'exit')
    assert.equal(stateOf({ ...own, pid: child.pid as number }), 'dead')
    assert.equal(stateOf({ ...own, startTicks: '1' }), 'dead')
  })

  it('takes every process of an earlier boot for dead', () => {
    assert.equal(stateOf({ ...own, bootId: 'another' }), 'dead')
  })

  it('does not judge a process of another pid namespace', () => {
    assert.equal(stateOf({ ...own, pidNamespace: 'pid:[1]' }), 'unknown')
  })
})

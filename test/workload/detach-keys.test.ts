/** Ctrl-P Ctrl-Q among other keys. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DetachKeys } from '../../optimizer/workload/terminal/detach-keys.ts'

/** What each piece of keys becomes; the two keys are told as `!`. */
function take(...pieces: string[]): string[] {
  const keys = new DetachKeys()
  return pieces.map((piece) => {
    const { rest, times } = keys.take(Buffer.from(piece, 'latin1'))
    return rest.toString('latin1') + '!'.repeat(times)
  })
}

describe('the keys that are not for the workload', () => {
  it('are taken out, in one piece or in two', () => {
    assert.deepEqual(take('a\x10\x11b'), ['ab!'])
    assert.deepEqual(take('a\x10', '\x11b'), ['a', 'b!'])
  })

  it('are the two of them together: each alone is for the workload', () => {
    assert.deepEqual(take('\x11'), ['\x11'])
    assert.deepEqual(take('\x10', 'a'), ['', '\x10a'])
    assert.deepEqual(take('\x10\x10\x11'), ['\x10!'])
  })

  it('may come more than once, and everything else goes through, Ctrl-C too', () => {
    assert.deepEqual(take('\x10\x11\x10\x11'), ['!!'])
    assert.deepEqual(take('\x03\x00\xff\r'), ['\x03\x00\xff\r'])
  })
})

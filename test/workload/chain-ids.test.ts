import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import { chainIds } from '../../optimizer/workload/chain-ids.ts'

describe('chain IDs', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(text)) as [
    `sha256:${string}`,
    `sha256:${string}`,
    `sha256:${string}`,
  ]

  it('are the diff ID for the lowest layer, and digests over the chain for those above', () => {
    const second = digestOf(`${a} ${b}`)
    assert.deepEqual(chainIds([a, b, c]), [a, second, digestOf(`${second} ${c}`)])
    assert.deepEqual(chainIds([]), [])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mistakesBetween, nearest, suggestion } from '../../shared/nearest.ts'

describe('a word that nobody knows', () => {
  const known = ['record', 'record-out', 'record-in', 'period', 'platform', 'wait-on-line']

  it('is the known one with the fewest mistakes', () => {
    assert.equal(nearest('recrod', known), 'record')
    assert.equal(nearest('recordout', known), 'record-out')
    assert.equal(nearest('perid', known), 'period')
  })

  it('may be the beginning or the last part of one', () => {
    assert.equal(nearest('plat', known), 'platform')
    assert.equal(nearest('line', known), 'wait-on-line')
  })

  it('is left alone when it is far from all', () => {
    assert.equal(nearest('verbose', known), undefined)
    assert.equal(nearest('', known), undefined)
    assert.equal(suggestion('verbose', known), '')
    assert.equal(suggestion('perid', known), ': did you mean period?')
  })

  it('counts letters added, lost, changed and swapped', () => {
    assert.deepEqual(
      [
        ['abc', 'abc'],
        ['abc', 'abcd'],
        ['abc', 'ac'],
        ['abc', 'abx'],
        ['abc', 'acb'],
        ['', 'abc'],
      ].map(([left = '', right = '']) => mistakesBetween(left, right)),
      [0, 1, 1, 1, 1, 3],
    )
  })
})

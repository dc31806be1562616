import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pathFilter } from '../../../notifier/stand-alone/path-filter.ts'

function passes(path: string, include: string[], exclude: string[] = []): boolean {
  return pathFilter(include, exclude)(Buffer.from(path, 'latin1'))
}

describe('the filter of paths', () => {
  it('takes everything without patterns, and what is excluded never', () => {
    assert.ok(passes('/a', []))
    assert.ok(!passes('/a', [], ['/a']))
    assert.ok(!passes('/a', ['/a'], ['/a']))
    assert.ok(passes('/b', ['/a', '/b']))
  })

  const table: [glob: string, matching: string[], others: string[]][] = [
    ['/usr/*', ['/usr/x', '/usr/x\ny', '/usr/\xff', '/usr/.x'], ['/usr', '/usr/a/b', '/x/usr/a']],
    ['/usr/**', ['/usr/x', '/usr/a/b/c\n'], ['/usr', '/usrx']],
    ['/usr/**/x', ['/usr/x', '/usr/a/x', '/usr/a/b/x'], ['/usr/ax']],
    ['**/x', ['/x', '/a/x'], ['/ax']],
    ['*.py', ['/a.py', '/b/c.py'], ['/a.py/b', '/apy']],
    ['?', ['/a', '/b/c', '/\xc3\xa9', '/\xff'], ['/ab', '/']],
    ['/[ab]', ['/a', '/b'], ['/c', '//']],
    ['/[!ab]', ['/c', '/!'], ['/a', '/b', '//']],
    ['/[a-c]', ['/b'], ['/d', '/-']],
    ['/[]]', [']'].map((name) => `/${name}`), ['/[']],
    ['/\\*', ['/*'], ['/a']],
    ['/a.b+(c)|d$', ['/a.b+(c)|d$'], ['/axb+(c)|d$']],
    ['/\u00e9', ['/\xc3\xa9'], ['/\xe9']],
    ['[', ['/['], ['/a']],
  ]
  for (const [glob, matching, others] of table) {
    it(`reads ${glob}`, () => {
      assert.deepEqual(
        matching.filter((path) => !passes(path, [glob])),
        [],
      )
      assert.deepEqual(
        others.filter((path) => passes(path, [glob])),
        [],
      )
    })
  }
})

import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parseGlob, pathFilter } from '../../../notifier/stand-alone/path-filter.ts'

const HERE = '/home/[me]'

function passes(path: string, include: string[], exclude: string[] = []): boolean {
  const globs = (texts: string[]) => texts.map((text) => parseGlob(text, (name) => resolve(HERE, name)))
  return pathFilter(globs(include), globs(exclude))(Buffer.from(path, 'latin1'))
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
    ['/etc', ['/etc', '/etc/a/b'], ['/etcx', '/x/etc/a']],
    ['/etc/', ['/etc/a', '/etc/a/b'], ['/etc', '/etcx/a']],
    ['/usr/*/', ['/usr/lib/a', '/usr/lib/a/b'], ['/usr/a']],
    ['/', ['/a', '/a/b'], []],
    ['src/*.c', [`${HERE}/src/a.c`], ['/src/a.c', `${HERE}/src/a/b.c`, '/home/m/src/a.c']],
    ['./a.c', [`${HERE}/a.c`], ['/a.c', `${HERE}/b/a.c`]],
    ['../x/', ['/home/x/a', '/home/x/a/b'], ['/home/x']],
    ['src/', [`${HERE}/src/a`], [`${HERE}/srca`, '/src/a']],
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

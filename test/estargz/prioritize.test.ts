import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { orderEntries } from '../../optimizer/estargz/prioritize.ts'
import { keepLastOfName } from '../../optimizer/tar/last-wins.ts'
import { parentPaths } from '../../optimizer/tar/path-key.ts'
import fc from '../helpers/property.ts'
import { anyTar } from '../helpers/tar-arbitrary.ts'
import { dir, file, link, symlink, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const LANDMARK = '|'

interface Case {
  layer: TarItem[]
  accessed: string[]
  /** Names as in the tar; `|` is the landmark. */
  blob: string[]
  missing?: string[]
}

function prioritizes(sentence: string, { layer, accessed, blob, missing = [] }: Case): void {
  it(`puts ${sentence}`, () => {
    const ordering = orderEntries(indexTar(tarOf(layer)).entries, accessed)
    const names = (entries: { name: Buffer }[]) => entries.map(({ name }) => name.toString())
    assert.deepEqual([...names(ordering.prioritized), LANDMARK, ...names(ordering.rest)], blob)
    assert.deepEqual(ordering.missing, missing)
  })
}

describe('The new order', () => {
  prioritizes('nothing first when nothing was read', {
    layer: [file('b'), file('a')],
    accessed: [],
    blob: ['|', 'b', 'a'],
  })
  prioritizes('accessed files first, in order, each after its parents', {
    layer: [file('foo'), dir('bar/'), file('bar/baa'), file('bar/baz')],
    accessed: ['bar/baz', 'foo'],
    blob: ['bar/', 'bar/baz', 'foo', '|', 'bar/baa'],
  })
  prioritizes('the rest in source order', {
    layer: [file('d'), file('c'), file('b'), file('a')],
    accessed: ['b'],
    blob: ['b', '|', 'd', 'c', 'a'],
  })
  prioritizes('parents from the root down, each once', {
    layer: [dir('./'), dir('a/'), dir('a/b/'), file('a/b/c'), file('a/b/d')],
    accessed: ['a/b/d', 'a/b/c'],
    blob: ['./', 'a/', 'a/b/', 'a/b/d', 'a/b/c', '|'],
  })
  prioritizes('a file whose parents are not in the layer all the same', {
    layer: [file('usr/bin/x'), file('y')],
    accessed: ['usr/bin/x'],
    blob: ['usr/bin/x', '|', 'y'],
  })
  prioritizes('a parent that comes late in the source before its file', {
    layer: [file('a/x'), file('y'), dir('a/')],
    accessed: ['a/x'],
    blob: ['a/', 'a/x', '|', 'y'],
  })
  prioritizes('a directory without what is in it', {
    layer: [dir('a/'), file('a/x')],
    accessed: ['a'],
    blob: ['a/', '|', 'a/x'],
  })
  prioritizes('a hard link after its target, and that after the parents of both', {
    layer: [dir('a/'), file('a/x'), dir('b/'), link('b/y', 'a/x'), file('z')],
    accessed: ['b/y'],
    blob: ['b/', 'a/', 'a/x', 'b/y', '|', 'z'],
  })
  prioritizes('a link of a link after both', {
    layer: [file('a'), link('b', 'a'), link('c', './b')],
    accessed: ['c'],
    blob: ['a', 'b', 'c', '|'],
  })
  prioritizes('a target that comes later in the source before its link', {
    layer: [link('b', 'a'), file('a')],
    accessed: ['b'],
    blob: ['a', 'b', '|'],
  })
  prioritizes('a target first and leaves other links of it where they were', {
    layer: [file('x'), file('a'), link('b', 'a'), link('c', 'a')],
    accessed: ['a'],
    blob: ['a', '|', 'x', 'b', 'c'],
  })
  prioritizes('a link whose target is not in the layer by itself', {
    layer: [file('x'), link('b', 'lower')],
    accessed: ['b'],
    blob: ['b', '|', 'x'],
  })
  prioritizes('links that go in a circle each once', {
    layer: [link('a', 'b'), link('b', 'a'), link('c', 'c')],
    accessed: ['a', 'c'],
    blob: ['b', 'a', 'c', '|'],
  })
  prioritizes('a file below a symbolic link of this layer after the link', {
    layer: [file('x'), symlink('lib', 'usr/lib'), file('lib/c')],
    accessed: ['lib/c'],
    blob: ['lib', 'lib/c', '|', 'x'],
  })
  prioritizes('a whiteout before the entry that it made room for', {
    layer: [dir('d/'), file('d/.wh.a'), file('d/.wh.b'), file('d/a'), file('d/b')],
    accessed: ['d/b'],
    blob: ['d/', 'd/.wh.b', 'd/b', '|', 'd/.wh.a', 'd/a'],
  })
  prioritizes('the whiteout of a parent before the parent', {
    layer: [file('.wh.d'), file('.wh.other'), dir('d/'), file('d/a')],
    accessed: ['d/a'],
    blob: ['.wh.d', 'd/', 'd/a', '|', '.wh.other'],
  })
  prioritizes('a whiteout that comes after its entry where it was', {
    layer: [file('x'), file('a'), file('.wh.a')],
    accessed: ['a'],
    blob: ['a', '|', 'x', '.wh.a'],
  })
  prioritizes('what is there first and says what is not', {
    layer: [file('a')],
    accessed: ['none', 'a', 'a', 'none/either'],
    blob: ['a', '|'],
    missing: ['none', 'none/either'],
  })
  prioritizes('a path however the tar spells it', {
    layer: [dir('./a/'), file('./a/x'), file('/b')],
    accessed: ['b', 'a/x'],
    blob: ['/b', './a/', './a/x', '|'],
  })

  it('loses and doubles nothing, and keeps every rule, for any layer and list', () => {
    fc.assert(
      fc.property(anyTar(), fc.infiniteStream(fc.nat()), fc.nat({ max: 8 }), ({ tar }, picks, count) => {
        const { entries } = keepLastOfName(indexTar(tar).entries)
        const chosen = [...picks.take(count)].flatMap(
          (pick) => entries[pick % (entries.length || 1)]?.path ?? [],
        )
        const { prioritized, rest, missing } = orderEntries(entries, chosen)
        assert.deepEqual(missing, [])
        assert.deepEqual(new Set([...prioritized, ...rest]), new Set(entries))
        assert.equal(prioritized.length + rest.length, entries.length)
        assert.deepEqual(
          rest,
          rest.toSorted((a, b) => a.index - b.index),
        )

        const position = new Map(prioritized.map((entry, index) => [entry.path, index]))
        const inLayer = new Set(entries.map(({ path }) => path))
        const before = (path: string, index: number) =>
          !inLayer.has(path) || (position.get(path) ?? index) < index
        for (const [index, { path }] of prioritized.entries()) {
          for (const parent of parentPaths(path))
            assert.ok(before(parent, index), `${parent} not before ${path}`)
        }
        const firstChosen = [...new Set(chosen)].map((path) => position.get(path) as number)
        assert.ok(firstChosen.every((index) => index !== undefined))
      }),
      { numRuns: 300 },
    )
  })

  it('handles chains of a hundred thousand links', () => {
    const items = [
      file('0'),
      ...Array.from({ length: 100_000 }, (_, index) => link(`${index + 1}`, `${index}`)),
    ]
    const { prioritized } = orderEntries(indexTar(tarOf(items)).entries, ['100000'])
    assert.equal(prioritized.length, 100_001)
    assert.equal(prioritized[0]?.path, '0')
  })
})

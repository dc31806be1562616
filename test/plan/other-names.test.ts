import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LayerToc } from '../../optimizer/estargz/reader.ts'
import { explainPath, type PathExplanation } from '../../optimizer/plan/explain-path.ts'
import { otherNames } from '../../optimizer/plan/other-names.ts'
import { formatPath } from '../../optimizer/plan/path-text.ts'

describe('Names of one file', () => {
  it('are those of hard links to it, and of hard links to these', () => {
    const targets = { b: 'a', d: 'c', c: 'b', x: 'y', y: 'x' }
    assert.deepEqual([...otherNames(new Map(Object.entries(targets)))], [['a', ['b', 'd', 'c']]])
  })
})

describe('A path in the layers of a finished image', () => {
  const toc = (...entries: { name: string; type: string }[]) => ({ toc: { entries } }) as unknown as LayerToc
  const folder = { name: 'etc/', type: 'dir' }
  const tocs = [
    toc(folder, { name: 'etc/motd', type: 'reg' }, { name: 'etc/gone', type: 'reg' }),
    toc(folder, { name: 'etc/motd', type: 'reg' }, { name: 'etc/.wh.gone', type: 'reg' }),
  ]
  const layers = { layers: tocs.map(() => ({ files: [], sums: {} })) } as never
  const where = (path: string): PathExplanation => explainPath(path, layers, tocs)

  it('is hidden by the same path above, but not a folder, which is one with that above', () => {
    assert.deepEqual(where('etc/motd').hiddenLayers, [0])
    assert.deepEqual([where('etc').found?.layerIndex, where('etc').hiddenLayers], [1, []])
  })

  it('may be removed by a layer', () => {
    const found = where('etc/gone')
    assert.deepEqual([found.found, found.hiddenLayers], [null, [0]])
    assert.equal(
      formatPath(found, { records: [], layers: [] }),
      '/etc/gone is removed by a layer\nin layer 0, where it is hidden\n',
    )
  })
})

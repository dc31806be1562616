/** What the page is made of, where records and images are not the usual ones. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LayerAnalysis } from '../../optimizer/plan/analysis.ts'
import { layerSums } from '../../optimizer/report/layer-sums.ts'
import { readFilesOfRecord } from '../../optimizer/report/read-files.ts'
import { timelineFigure } from '../../optimizer/report/timeline.ts'
import { analysisOf, headerOf } from '../helpers/analysis.ts'
import { recordEntry } from '../helpers/sample-record.ts'

describe('Files that were read', () => {
  const workload = { args: [], stop: headerOf().stop, started: '', exitStatus: 0, files: 2 }
  const workloads = ['one', 'two'].map((name) => ({ ...workload, name, durationSeconds: 2 }))
  const header = headerOf({ workloads, durationSeconds: 4 })
  const at = (path: string, seconds: number, name: string) =>
    recordEntry(path, { firstAccessMicroseconds: seconds * 1e6, workload: name, sizeBytes: 1000 })
  const entries = [
    at('a', 0.1, 'one'),
    at('b', 1.9, 'one'),
    { ...at('copied', 2, 'one'), kinds: ['copy-up' as const] },
    at('c', -0.2, 'two'),
    at('d', 0.5, 'two'),
  ]

  it('by several workloads were read one after the other; of one that was copied up nobody knows when', () => {
    const files = readFilesOfRecord({ header, entries })
    assert.deepEqual(
      files.map(({ path, atSeconds }) => [path, atSeconds]),
      [
        ['a', 0.1],
        ['b', 1.9],
        ['copied', null],
        ['c', 1.8],
        ['d', 2.5],
      ],
    )
  })

  it('are drawn from left to right', () => {
    const figure = timelineFigure(readFilesOfRecord({ header, entries }), header)
    const [, path = ''] = /class="curve" d="([^"]+)"/.exec(figure) ?? []
    const places = [...path.matchAll(/[ML]([\d.]+)/g)].map(([, x]) => Number(x))
    assert.ok(places.length > 4)
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    )
  })
})

describe('Bytes of a layer', () => {
  it('are all of its blob, and none of a table that is in another image', () => {
    const analysis = analysisOf([[{ path: 'a', hot: true, readAt: 0.1 }, { path: 'b' }]])
    const [layer] = analysis.layers as [LayerAnalysis]
    const sizeBytes = (layer.contentEndBytes ?? 0) + 51
    const apart = { ...layer, tocBytes: 1e6, sums: { ...layer.sums, sizeBytes } }
    const [sums] = layerSums({ ...analysis, layers: [apart] })
    const parts = [sums?.readBytes, sums?.alongBytes, sums?.tocBytes, sums?.coldBytes].map(Number)
    assert.ok(
      parts.every((bytes) => bytes >= 0),
      parts.join(),
    )
    assert.equal(
      parts.reduce((sum, bytes) => sum + bytes, 0),
      sizeBytes,
    )
    assert.equal(sums?.readBytes, 1000)
  })
})

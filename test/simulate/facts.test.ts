/** What the model is fed with, of images that are not the usual ones. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ImageAnalysis, LayerAnalysis } from '../../optimizer/plan/analysis.ts'
import { CLIENT } from '../../optimizer/simulate/client-model.ts'
import { factsAsIs, factsByRecord, ownTime } from '../../optimizer/simulate/facts-of-analysis.ts'
import { lazyStart } from '../../optimizer/simulate/lazy-start.ts'
import { link } from '../../optimizer/simulate/link.ts'
import { formatSimulation, simulationResult } from '../../optimizer/simulation-result.ts'
import { analysisOf, headerOf } from '../helpers/analysis.ts'

const OWN = { seconds: 1, until: 'ready' as const }
const FILES = [
  { path: 'a', sizeBytes: 300_000, hot: true, readAt: 0.1 },
  { path: 'b', sizeBytes: 300_000 },
  { path: 'c', sizeBytes: 300_000, readAt: 0.2 },
]
const IMAGE = analysisOf([FILES])
const [LAYER] = IMAGE.layers as [LayerAnalysis]
const withLayer = (change: Partial<LayerAnalysis>): ImageAnalysis => ({
  ...IMAGE,
  layers: [{ ...LAYER, ...change }],
})
const start = (analysis: ImageAnalysis) => lazyStart(factsAsIs(analysis, OWN), link(1e8, 0.01), CLIENT)

describe('What a start is predicted from', () => {
  it('counts a table that is in another image, and the requests for it', () => {
    const end = LAYER.contentEndBytes ?? 0
    const apart = withLayer({ tocBytes: 2e6, sums: { ...LAYER.sums, sizeBytes: end + 51 } })
    assert.ok(start(apart).wireBytes - start(IMAGE).wireBytes > 1.9e6)
    assert.equal(start(apart).requests, start(IMAGE).requests + 2)
  })

  it('counts an index before the manifest', () => {
    const indexed: ImageAnalysis = { ...IMAGE, digest: `sha256:${'1'.repeat(64)}` }
    assert.equal(start(indexed).requests, start(IMAGE).requests + 1)
  })

  it('has all that was read first where an image is thought of as ordered by the record', () => {
    const unordered = withLayer({ format: 'zstdchunked-containers', landmark: null })
    const [layer] = factsByRecord(unordered, OWN).layers
    assert.equal(layer?.lazy?.prefetchFiles, 2)
    assert.equal(layer?.sizeBytes, LAYER.sums.sizeBytes)
  })

  it('is told without what would steer a terminal', () => {
    const hostile = { ...IMAGE, name: 'a\x1b[2J\nb' }
    const text = formatSimulation(simulationResult(hostile, [link(1e8, 0.01)], null))
    assert.match(text, /^a\\x1b\[2J\\nb \(/)
  })

  it('is nothing where a record has no times', () => {
    const stop = { rule: 'import', reason: '', readySeconds: null }
    assert.equal(ownTime(headerOf({ stop, durationSeconds: 0 }), LAYER.files), undefined)
    assert.equal(ownTime(headerOf({ stop, durationSeconds: 2 }), LAYER.files)?.until, 'reads')
  })
})

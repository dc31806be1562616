/** What a client has asked for, sorted by what it was for, beside what was said of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { agreementRow, formatAgreement } from '../../bench/agreement-report.ts'
import { blobRequests, prefetchOf } from '../../bench/lazy/blob-requests.ts'
import type { WireRequest } from '../../bench/lazy/metered-proxy.ts'
import { replayOf } from '../../optimizer/plan/replay.ts'
import { analysisOf } from '../helpers/analysis.ts'

const ANALYSIS = analysisOf([
  [
    { path: 'hot', sizeBytes: 330_000, hot: true, readAt: 0.1 },
    { path: 'along', sizeBytes: 3000, readAt: 0.2 },
    { path: 'missed', sizeBytes: 600_000, readAt: 0.3 },
    { path: 'never', sizeBytes: 300_000, readAt: 0.4 },
    { path: 'cold', sizeBytes: 900_000 },
  ],
])
const [LAYER] = ANALYSIS.layers as [(typeof ANALYSIS.layers)[number]]
const SIZE = LAYER.sums.sizeBytes

function request(range: string | undefined, method = 'GET'): WireRequest {
  return { method, path: `/v2/a/blobs/${LAYER.digest}`, range, atMs: 0, status: 206, bodyBytes: 0 }
}

const REQUESTS = [
  request(undefined, 'HEAD'),
  request('bytes=0-1'),
  request(`bytes=700000-${SIZE - 1}`),
  request('bytes=0-149999'),
  request('bytes=150000-199999,250000-299999'),
  request('bytes=450000-499999'),
  { ...request('bytes=0-9'), path: '/v2/a/manifests/1' },
]

describe('A start as it was said and as it was', () => {
  const places = {
    ...{ digest: LAYER.digest, sizeBytes: SIZE, tocOffset: LAYER.contentEndBytes ?? 0 },
    hotZoneBytes: LAYER.sums.hotZoneBytes,
  }

  it('has requests that ask where a blob is, for its table, for its hot zone, and on demand', () => {
    assert.deepEqual(blobRequests(REQUESTS, places), {
      probes: [[], [[0, 1]]],
      tables: [[[700_000, SIZE - 1]]],
      prefetches: [[[0, 149_999]]],
      onDemand: [
        [
          [150_000, 199_999],
          [250_000, 299_999],
        ],
        [[450_000, 499_999]],
      ],
    })
  })

  it('wants whole pieces for a hot zone, but for those that came with the table', () => {
    assert.equal(places.hotZoneBytes, 110_000)
    assert.equal(prefetchOf(places), 150_000)
    assert.equal(prefetchOf({ ...places, hotZoneBytes: SIZE - 10 }), 700_000)
  })

  it('tells which misses somebody has waited for, which came along, and what was asked for besides', () => {
    const row = agreementRow({
      name: 'a, b',
      plan: ANALYSIS,
      analysis: ANALYSIS,
      predicted: {
        ...{ pullSeconds: 0, runSeconds: 0, totalSeconds: 0, laterBytes: 0 },
        ...{ requests: 6, onDemandRequests: 1, wireBytes: 300_000 },
      },
      replay: replayOf(ANALYSIS),
      requests: REQUESTS,
      bytes: 400_000,
    })
    assert.deepEqual(row, {
      name: 'a, b',
      layers: [{ planned: 110_000, found: 110_000, expected: 150_000, fetched: 150_000 }],
      requests: { said: 6, seen: 7 },
      onDemand: { said: 1, seen: 2 },
      wireBytes: { said: 300_000, seen: 400_000 },
      replay: {
        ...{ read: 4, hits: 1, misses: 3, missesOnDemand: 1, missesAlong: 1, missesNever: 1 },
        requestsForOthers: 1,
      },
    })
    assert.match(formatAgreement({ schemaVersion: 1, rows: [row] }), /^a, b +4 +1 +3 +1 +1 +1 +1$/m)
  })
})

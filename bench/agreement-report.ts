/** One start as it was said and as it was, and all of them as `npm run bench:agreement` prints them. */
import type { FileAnalysis, ImageAnalysis, LayerAnalysis } from '../optimizer/plan/analysis.ts'
import type { Replay } from '../optimizer/plan/replay.ts'
import type { PredictedStart } from '../optimizer/simulate/predicted-start.ts'
import { formatTable } from '../optimizer/table.ts'
import {
  type BlobPlaces,
  type BlobRequests,
  type ByteRange,
  blobRequests,
  bytesOf,
  prefetchOf,
} from './lazy/blob-requests.ts'
import type { WireRequest } from './lazy/metered-proxy.ts'

export interface AgreementReport {
  schemaVersion: 1
  rows: AgreementRow[]
}

export interface AgreementRow {
  /** `compiler, optimizer` */
  name: string
  layers: AgreementLayer[]
  requests: SaidAndSeen
  onDemand: SaidAndSeen
  wireBytes: SaidAndSeen
  replay: ReplayAgreement
}

/** Compressed bytes. */
export interface AgreementLayer {
  /** Before the landmark, by `plan`; null where nothing was planned. */
  planned: number | null
  /** By `explain`. */
  found: number
  /** What a client asks for that wants so much: whole pieces. */
  expected: number
  /** What it has asked for, by one request. */
  fetched: number
}

export interface SaidAndSeen {
  said: number
  seen: number
}

/** Files with content. */
export interface ReplayAgreement {
  read: number
  hits: number
  misses: number
  /** Of the misses: in a request that somebody has waited for. */
  missesOnDemand: number
  /** Of the misses: came along with a table of contents or a hot zone, whose requests are for whole pieces. */
  missesAlong: number
  /** Of the misses: never asked for. */
  missesNever: number
  /** Requests that somebody has waited for, and that hold nothing of a miss. */
  requestsForOthers: number
}

export interface StartedRow {
  name: string
  plan: Pick<ImageAnalysis, 'layers'> | null
  /** Of the image that was started. */
  analysis: ImageAnalysis
  predicted: PredictedStart
  replay: Replay
  requests: readonly WireRequest[]
  bytes: number
}

export function agreementRow(started: StartedRow): AgreementRow {
  const { name, plan, analysis, predicted, replay, requests, bytes } = started
  const blobs = analysis.layers.map((layer) => {
    const places = placesOf(layer)
    return { layer, places, asked: blobRequests(requests, places) }
  })
  const onDemand = blobs.reduce((sum, { asked }) => sum + asked.onDemand.length, 0)
  return {
    name,
    layers: blobs.map(({ layer, places, asked }) => ({
      planned: plan?.layers[layer.index]?.sums.hotZoneBytes ?? null,
      found: places.hotZoneBytes,
      expected: prefetchOf(places),
      fetched: bytesOf(asked.prefetches),
    })),
    requests: { said: predicted.requests, seen: requests.length },
    onDemand: { said: predicted.onDemandRequests, seen: onDemand },
    wireBytes: { said: predicted.wireBytes, seen: bytes },
    replay: replayAgreement(replay, blobs),
  }
}

/** @throws where it has no table of contents */
function placesOf({ digest, sums, landmark, contentEndBytes }: LayerAnalysis): BlobPlaces {
  if (contentEndBytes === null) throw new Error(`${digest} has no table of contents`)
  const hotZoneBytes = landmark === 'prefetch' ? sums.hotZoneBytes : 0
  return { digest, sizeBytes: sums.sizeBytes, tocOffset: contentEndBytes, hotZoneBytes }
}

type Blob = { layer: LayerAnalysis; asked: BlobRequests }

function replayAgreement({ reads, hits, misses }: Replay, blobs: readonly Blob[]): ReplayAgreement {
  const missed = misses.paths.map(({ path, layerIndex }) => {
    const blob = blobs[layerIndex] as Blob
    const file = blob.layer.files.find((each) => each.path === path) as FileAnalysis
    return { file, ...blob }
  })
  const isIn = (file: FileAnalysis, requests: readonly ByteRange[][]) =>
    requests.some((ranges) => holds(ranges, file))
  const onDemand = missed.filter(({ file, asked }) => isIn(file, asked.onDemand))
  const along = missed.filter(
    ({ file, asked }) => !isIn(file, asked.onDemand) && isIn(file, [...asked.tables, ...asked.prefetches]),
  )
  const ofOthers = blobs.flatMap(({ layer, asked }) =>
    asked.onDemand.filter(
      (ranges) => !missed.some((miss) => miss.layer === layer && holds(ranges, miss.file)),
    ),
  )
  return {
    read: reads.files,
    hits: hits.files,
    misses: misses.files,
    missesOnDemand: onDemand.length,
    missesAlong: along.length,
    missesNever: missed.length - onDemand.length - along.length,
    requestsForOthers: ofOthers.length,
  }
}

/** Something of it. */
function holds(ranges: readonly ByteRange[], { chunks }: FileAnalysis): boolean {
  return (chunks ?? []).some(({ offset, memberBytes }) =>
    ranges.some(([first, last]) => offset <= last && offset + memberBytes > first),
  )
}

export function formatAgreement({ rows }: AgreementReport): string {
  const layers = rows.flatMap(({ name, layers }) =>
    layers.map(({ planned, found, expected, fetched }, index) => [
      ...[name, String(index), planned === null ? '-' : String(planned), String(found)],
      ...[String(expected), String(fetched)],
    ]),
  )
  const traffic = rows.map(({ name, requests, onDemand, wireBytes }) => [
    ...[name, String(requests.said), String(requests.seen), String(onDemand.said), String(onDemand.seen)],
    ...[megabytes(wireBytes.said), megabytes(wireBytes.seen)],
  ])
  const replays = rows.map(({ name, replay }) => [name, ...Object.values(replay).map(String)])
  return [
    'bytes before the landmark',
    ...formatTable(['', 'layer', 'plan', 'explain', 'in whole pieces', 'asked for'], layers),
    '',
    'a start',
    ...formatTable(
      ['', 'requests: simulate', 'seen', 'on demand: simulate', 'seen', 'MB: simulate', 'seen'],
      traffic,
    ),
    '',
    'files that were read',
    ...formatTable(
      ['', 'read', 'hit', 'missed', 'on demand', 'came along', 'never asked for', 'requests for others'],
      replays,
    ),
    '',
  ].join('\n')
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2)
}

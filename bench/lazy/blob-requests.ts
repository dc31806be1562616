/** What a lazily pulling client has asked for of a layer's blob, sorted by what it was for. */
import { FOOTER_BYTES } from '../../optimizer/simulate/client-model.ts'
import { BlobPieces } from '../../optimizer/simulate/pieces.ts'
import type { WireRequest } from './metered-proxy.ts'

/** First and last byte. */
export type ByteRange = readonly [first: number, last: number]

export interface BlobPlaces {
  digest: string
  sizeBytes: number
  /** Where the table of contents begins. */
  tocOffset: number
  /** Before the landmark. */
  hotZoneBytes: number
}

/** Requests, each with the ranges that it asks for. */
export interface BlobRequests {
  /** Whether the blob is there, and how large it is. */
  probes: ByteRange[][]
  /** Its end, with footer and table of contents. */
  tables: ByteRange[][]
  /** What stands before the landmark. */
  prefetches: ByteRange[][]
  /** Everything else: what somebody has waited for. */
  onDemand: ByteRange[][]
}

/** @param requests of the whole start, in order */
export function blobRequests(requests: readonly WireRequest[], places: BlobPlaces): BlobRequests {
  const sorted: BlobRequests = { probes: [], tables: [], prefetches: [], onDemand: [] }
  const { digest, sizeBytes, tocOffset, hotZoneBytes } = places
  for (const { method, path, range } of requests) {
    if (!path.endsWith(digest)) continue
    const ranges = method === 'HEAD' ? [] : rangesOf(range, sizeBytes)
    if (ranges.every(([, last]) => last <= 1)) sorted.probes.push(ranges)
    else if (ranges.some(([, last]) => last >= tocOffset)) sorted.tables.push(ranges)
    else if (hotZoneBytes > 0 && sorted.prefetches.length === 0 && ranges[0]?.[0] === 0)
      sorted.prefetches.push(ranges)
    else sorted.onDemand.push(ranges)
  }
  return sorted
}

function rangesOf(header: string | undefined, sizeBytes: number): ByteRange[] {
  if (header === undefined) return [[0, sizeBytes - 1]]
  return [...header.matchAll(/(\d+)-(\d*)/g)].map(([, first, last]) => [
    Number(first),
    last === '' ? sizeBytes - 1 : Number(last),
  ])
}

export function bytesOf(requests: readonly ByteRange[][]): number {
  return requests.flat().reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

/** What a client asks for that wants a hot zone of this size: whole pieces that it has not got with the table. */
export function prefetchOf({ sizeBytes, tocOffset, hotZoneBytes }: BlobPlaces): number {
  const pieces = new BlobPieces(sizeBytes)
  pieces.add(sizeBytes - FOOTER_BYTES, FOOTER_BYTES)
  pieces.add(tocOffset, sizeBytes - tocOffset)
  return pieces.missingBytes(0, hotZoneBytes)
}

/** What of each layer a start fetches: what it reads, what comes along with that, and what may stay where it is. */
import type { ImageAnalysis, LayerAnalysis } from '../plan/analysis.ts'
import { BlobPieces } from '../simulate/pieces.ts'
import { storedBytes } from './file-state.ts'

/** Compressed bytes of a layer's blob; together they are its size. */
export interface LayerSums {
  index: number
  sizeBytes: number
  /** Of files that were read. */
  readBytes: number
  /** Fetched with them: files before the landmark that nobody read, headers, the rest of the pieces that clients ask for. */
  alongBytes: number
  tocBytes: number
  coldBytes: number
  files: number
  readFiles: number
  firstFiles: number
}

/** Without a record what comes first counts as read. */
export function layerSums(analysis: ImageAnalysis): LayerSums[] {
  const hasRecord = analysis.records.length > 0
  return analysis.layers.map((layer) => {
    const { index, sums } = layer
    const tocBytes = tocInBlob(layer)
    const read = layer.files.filter(({ access, hot }) => (hasRecord ? access !== null : hot))
    const own = read.reduce((sum, file) => sum + storedBytes(file, layer), 0)
    const readBytes = Math.min(own, sums.sizeBytes - tocBytes)
    const fetched = Math.max(readBytes, fetchedBytes(layer, analysis, readBytes))
    const alongBytes = Math.min(fetched - readBytes, sums.sizeBytes - tocBytes - readBytes)
    return {
      ...{ index, sizeBytes: sums.sizeBytes, readBytes, alongBytes, tocBytes },
      coldBytes: sums.sizeBytes - readBytes - alongBytes - tocBytes,
      ...{ files: sums.files, readFiles: sums.readFiles, firstFiles: sums.hotFiles },
    }
  })
}

/** A table in another image is none of the blob's bytes: but for the footer. */
function tocInBlob({ sums, contentEndBytes }: LayerAnalysis): number {
  return contentEndBytes === null ? 0 : sums.sizeBytes - contentEndBytes
}

/** What comes before the landmark, and the pieces that hold what was read and does not. */
function fetchedBytes(layer: LayerAnalysis, { kind }: ImageAnalysis, readBytes: number): number {
  const { sums, contentEndBytes, landmark } = layer
  if (kind === 'planned') return sums.hotFiles > 0 ? sums.hotZoneBytes : readBytes
  if (contentEndBytes === null) return readBytes
  const pieces = new BlobPieces(contentEndBytes)
  const all = pieces.restBytes()
  if (landmark === 'prefetch') pieces.add(0, sums.hotZoneBytes)
  for (const { access, chunks } of layer.files)
    if (access !== null) for (const { offset, memberBytes } of chunks ?? []) pieces.add(offset, memberBytes)
  return all - pieces.restBytes()
}

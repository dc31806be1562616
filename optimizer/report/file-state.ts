/** What became of a file in a start: the one thing that every figure colours by. */
import type { FileAnalysis, ImageAnalysis, LayerAnalysis } from '../plan/analysis.ts'

/**
 * `first`: comes first, and was read (or nobody knows); `idle`: comes first and was not read; `late`: was read and does
 * not come first; `cold`: neither.
 */
export type FileState = 'first' | 'idle' | 'late' | 'cold'

export const FILE_STATES: readonly FileState[] = ['first', 'late', 'idle', 'cold']

/** Where nothing comes first yet, what was read is what would. */
export function stateOf(file: FileAnalysis, layer: LayerAnalysis, analysis: ImageAnalysis): FileState {
  if (file.access === null) return !file.hot ? 'cold' : analysis.records.length === 0 ? 'first' : 'idle'
  return file.hot || !isOrdered(layer, analysis) ? 'first' : 'late'
}

function isOrdered({ landmark }: LayerAnalysis, { kind, sums }: ImageAnalysis): boolean {
  return landmark !== null || (kind === 'planned' && sums.hotFiles > 0)
}

/** Bytes of a file in its blob; estimated where they are not known: as if all of a layer were compressed alike. */
export function storedBytes({ sizeBytes, compressedBytes }: FileAnalysis, { sums }: LayerAnalysis): number {
  if (compressedBytes !== null) return compressedBytes
  return sums.contentBytes === 0 ? 0 : (sizeBytes * sums.sizeBytes) / sums.contentBytes
}

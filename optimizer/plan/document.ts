/** What `optimizer plan --json` and `optimizer explain --json` print. Fields are only added; a change of meaning raises the version. */
import type { AnalysedRecord, ImageAnalysis, LayerAnalysis } from './analysis.ts'
import { type LargeDirectory, type LargeFile, largestDirectories, largestFiles } from './largest.ts'

export const ANALYSIS_SCHEMA_VERSION = 1
const LARGEST_MAX = 20

/** As the analysis, but of the files those alone that come first or that a record names, and no copy of a record's header. */
export interface AnalysisDocument extends Omit<ImageAnalysis, 'records'> {
  schemaVersion: typeof ANALYSIS_SCHEMA_VERSION
  records: (Omit<AnalysedRecord, 'header'> & { complete: boolean | null })[]
  largestFiles: LargeFile[]
  largestDirectories: LargeDirectory[]
}

export function analysisDocument(analysis: ImageAnalysis): AnalysisDocument {
  const layers = analysis.layers.map(
    (layer): LayerAnalysis => ({
      ...layer,
      files: layer.files.filter(({ hot, access }) => hot || access !== null),
    }),
  )
  return {
    schemaVersion: ANALYSIS_SCHEMA_VERSION,
    ...analysis,
    records: analysis.records.map(({ file, files, header }) => ({
      file,
      files,
      complete: header?.complete ?? null,
    })),
    layers,
    largestFiles: largestFiles(layers, LARGEST_MAX),
    largestDirectories: largestDirectories(
      layers.flatMap(({ files }) => files),
      LARGEST_MAX,
    ),
  }
}

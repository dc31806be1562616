/** What `optimizer plan --json` and `optimizer explain --json` print. Fields are only added; a change of meaning raises the version. */
import type { AnalysedRecord, ImageAnalysis, LayerAnalysis } from './analysis.ts'
import { type LargeDirectory, type LargeFile, largestDirectories, largestFiles } from './largest.ts'

export const ANALYSIS_SCHEMA_VERSION = 1
const LARGEST_MAX = 20

/** As the analysis, but of the files those alone that come first or that a record names, and no copy of a record's header. */
export interface AnalysisDocument extends PlatformDocument {
  schemaVersion: typeof ANALYSIS_SCHEMA_VERSION
  /** Of each platform in the order of the index, where there are several; all else is of the first. */
  platforms?: PlatformDocument[]
}

export interface PlatformDocument extends Omit<ImageAnalysis, 'records'> {
  records: (Omit<AnalysedRecord, 'header'> & { complete: boolean | null })[]
  largestFiles: LargeFile[]
  largestDirectories: LargeDirectory[]
}

/** @param analyses of one image, of at least one platform */
export function analysisDocument(analyses: readonly ImageAnalysis[]): AnalysisDocument {
  const platforms = analyses.map(platformDocument)
  return {
    schemaVersion: ANALYSIS_SCHEMA_VERSION,
    ...(platforms[0] as PlatformDocument),
    ...(platforms.length === 1 ? {} : { platforms }),
  }
}

function platformDocument(analysis: ImageAnalysis): PlatformDocument {
  const layers = analysis.layers.map(
    (layer): LayerAnalysis => ({
      ...layer,
      files: layer.files.filter(({ hot, access }) => hot || access !== null),
    }),
  )
  return {
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

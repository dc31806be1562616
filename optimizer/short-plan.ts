/** What came first in a conversion, as what is told after it. */
import type { ConvertedPlatform } from './conversion.ts'
import type { ConvertedLayer } from './convert/layer.ts'
import type { OrderOrigin } from './image-order.ts'
import { addAccesses } from './plan/accesses.ts'
import type { AnalysisWarning, FileAnalysis, LayerAnalysis } from './plan/analysis.ts'
import { type LargeDirectory, type LargeFile, largestDirectories, largestFiles } from './plan/largest.ts'
import { otherNames } from './plan/other-names.ts'
import { textOf } from './plan/paths.ts'
import { sumsOf, totalOf } from './plan/sums.ts'
import { type WeighedLayer, warningsOf } from './plan/warnings.ts'

export interface ShortPlan {
  /** Compressed bytes of the new layers. */
  sizeBytes: number
  /** Of these, before the landmarks. */
  hotZoneBytes: number
  hotFiles: number
  /** Content of these files, uncompressed. */
  hotContentBytes: number
  /** Of what comes first, the largest first. */
  largestFiles: LargeFile[]
  largestDirectories: LargeDirectory[]
  warnings: AnalysisWarning[]
}

const LARGEST_MAX = 5

export function shortPlan({ converted, order }: ConvertedPlatform<OrderOrigin>): ShortPlan {
  const layers = converted.layers.map(analysedLayer)
  const { records } = addAccesses(
    layers.map(({ files }) => ({ files, has: () => true })),
    // Whether a record fits was looked at when it decided the order.
    { records: order.origin.records, manifestDigests: null },
  )
  const sums = totalOf(layers.map((layer) => layer.sums))
  const files = layers.flatMap((layer) => layer.files)
  const warnings = warningsOf({ kind: 'planned', records, layers, sums, leftOut: order.leftOut })
  const { sizeBytes, hotZoneBytes, hotFiles, hotContentBytes } = sums
  return {
    ...{ sizeBytes, hotZoneBytes, hotFiles, hotContentBytes },
    largestFiles: largestFiles(layers, LARGEST_MAX),
    largestDirectories: largestDirectories(files, LARGEST_MAX),
    warnings,
  }
}

/** Of the files that come first alone. */
function analysedLayer(layer: ConvertedLayer): WeighedLayer & Pick<LayerAnalysis, 'sums'> {
  const { index, target, hotZoneBytes, first } = layer
  // A record may name a file by a hard link, which then comes first as well.
  const links = first.filter(({ type }) => type === 'hardlink')
  const names = otherNames(new Map(links.map(({ path, linkPath }) => [path, linkPath])))
  const files = first
    .filter(({ type }) => type === 'reg')
    .map(
      ({ path, sizeBytes }): FileAnalysis => ({
        path: textOf(path),
        sizeBytes,
        hot: true,
        links: (names.get(path) ?? []).map(textOf),
        chunks: null,
        compressedBytes: null,
        access: null,
      }),
    )
  return {
    index,
    format: 'tar',
    tocBytes: null,
    sums: sumsOf({ sizeBytes: target.size, hotZoneBytes }, files),
    files,
  }
}

/** What comes first in an image's layers once --exclude and --prefetch-budget have had their say. */

import { formatBytes } from './console.ts'
import type { ConversionContext, ImageOrder, OutputOptions } from './conversion.ts'
import { blobFormat, type ConversionOptions } from './convert/options.ts'
import { CompressionPool } from './estargz/compression-pool.ts'
import type { LeftOut } from './plan/analysis.ts'
import { HotZones } from './plan/hot-zones.ts'
import { limitOrder, tellUnmatched } from './plan/limits.ts'
import { pathsByLayer } from './record/wanted-files.ts'
import type { PathKey } from './tar/entry.ts'
import type { OpenedLayer } from './tar/layer.ts'

export interface LimitedImageOrder<Origin> {
  /** For each layer; null where nobody has asked for an order. */
  paths: readonly (readonly PathKey[])[] | null
  /** What was wanted and does not come first. */
  leftOut: LeftOut[]
  /** Globs of --exclude that match no file of the image. */
  unknownExclusions: number
  /** Compressed bytes of all layers; null for any number. */
  budgetBytes: number | null
  origin: Origin
}

export async function limitedOrder<Origin>(
  { wanted, excluded, origin }: ImageOrder<Origin>,
  layers: readonly OpenedLayer[],
  { limits, conversion }: Pick<OutputOptions, 'limits' | 'conversion'>,
  { console: log, signal, stages }: ConversionContext,
): Promise<LimitedImageOrder<Origin>> {
  if (wanted === null) return { paths: null, leftOut: [], unknownExclusions: 0, budgetBytes: null, origin }
  const { budgetBytes } = limits
  const limit = (zones: () => HotZones) => limitOrder({ wanted, excluded }, layers, limits, zones)
  const limited =
    budgetBytes === null
      ? await limit(noZones)
      : await stages.run('measure', `what comes first within ${formatBytes(budgetBytes)}`, () =>
          withZones(layers, conversion, signal, (zones) => limit(() => zones)),
        )
  tellUnmatched(limited, log)
  const { leftOut, unmatched } = limited
  const paths = pathsByLayer(limited.wanted, layers.length)
  return { paths, leftOut, unknownExclusions: unmatched.length, budgetBytes, origin }
}

function noZones(): never {
  throw new Error('nothing is measured without a budget')
}

async function withZones<T>(
  layers: readonly OpenedLayer[],
  conversion: ConversionOptions,
  signal: AbortSignal,
  use: (zones: HotZones) => Promise<T>,
): Promise<T> {
  const format = blobFormat(conversion.format)
  if (format === null) throw new Error('plain tars keep their order')
  const pool = new CompressionPool(conversion)
  try {
    return await use(new HotZones({ layers, format, pool, signal }))
  } finally {
    await pool.close()
  }
}

/** What comes first in an image's layers, and how that is known: as the result tells it. */
import type { Log } from '../shared/log.ts'
import type { AccessRecord } from '../shared/record.ts'
import type { ConversionRequest, ImageOrder } from './conversion.ts'
import { type GivenSources, givenOrder, type OrderedImage, recordsFor } from './order/given-order.ts'
import { prioritizedFiles } from './record/prioritized-files.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { OpenedLayer } from './tar/layer.ts'

/** Asked when an image's layers are read. */
export type OrderOf = ConversionRequest<OrderOrigin>['orderOf']

export interface OrderOrigin {
  /** By a run, by records and lists that were given, or as the source has it. */
  kind: 'recorded' | 'given' | 'source'
  /** Of the run. */
  record: AccessRecord | null
  /** Files of the records given. */
  files: string[]
  /** Lines of the prefetch list that name nothing of the image. */
  unknownLines: number
}

export function recordedOrder(image: ResolvedImage, record: AccessRecord): ImageOrder<OrderOrigin> {
  const { descriptor, manifest } = image
  return {
    paths: prioritizedFiles(record.entries, descriptor.digest, manifest.layers.length),
    origin: { kind: 'recorded', record, files: [], unknownLines: 0 },
  }
}

/** By what was given for this image, else as the source has it. */
export function orderWithoutRun(
  image: ResolvedImage,
  layers: readonly OpenedLayer[],
  sources: GivenSources,
  log: Log,
): ImageOrder<OrderOrigin> {
  const meant = meantFor(image)
  const given = givenOrder(meant, layers, sources, log)
  if (given === null)
    return { paths: null, origin: { kind: 'source', record: null, files: [], unknownLines: 0 } }
  const files = recordsFor(meant, sources).map(({ file }) => file)
  return { paths: given.paths, origin: { kind: 'given', record: null, files, unknownLines: given.unknown } }
}

/** What an order is meant for. */
export function meantFor({ descriptor, platform }: ResolvedImage): OrderedImage {
  return { manifestDigest: descriptor.digest, platform }
}

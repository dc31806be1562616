/** What comes first in an image's layers, and how that is known: as the result tells it. */
import type { Log } from '../shared/log.ts'
import type { AccessRecord } from '../shared/record.ts'
import type { ConversionRequest, ImageOrder } from './conversion.ts'
import { type GivenSources, givenOrder, type OrderedImage, recordsFor } from './order/given-order.ts'
import { asRead, type GivenRecord } from './order/record-file.ts'
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
  /** That was given, or made by the run. */
  records: GivenRecord[]
  /** Lines of the prefetch list that name nothing of the image, or leave nothing out. */
  unknownLines: number
}

export function recordedOrder(image: ResolvedImage, record: AccessRecord): ImageOrder<OrderOrigin> {
  const { descriptor, manifest } = image
  const records = [{ file: 'the record of this run', platform: null, record: asRead(record) }]
  return {
    wanted: prioritizedFiles(record.entries, descriptor.digest, manifest.layers.length),
    excluded: [],
    origin: { kind: 'recorded', record, records, unknownLines: 0 },
  }
}

/** By what was given for this image, else as the source has it. */
export function orderWithoutRun(
  image: ResolvedImage,
  layers: readonly Pick<OpenedLayer, 'entries'>[],
  sources: GivenSources,
  log: Log,
): ImageOrder<OrderOrigin> {
  const meant = meantFor(image)
  const given = givenOrder(meant, layers, sources, log)
  if (given === null)
    return {
      wanted: null,
      excluded: [],
      origin: { kind: 'source', record: null, records: [], unknownLines: 0 },
    }
  const { wanted, excluded, unknown: unknownLines } = given
  const records = recordsFor(meant, sources)
  return { wanted, excluded, origin: { kind: 'given', record: null, records, unknownLines } }
}

/** The same where no layer has to be looked at for it; null where a list is to be held against what is in them. */
export function orderBeforeLayers(
  image: ResolvedImage,
  sources: GivenSources,
  log: Log,
): ImageOrder<OrderOrigin> | null {
  if (sources.list !== null) return null
  const layers = image.manifest.layers.map(() => ({ entries: [] }))
  return orderWithoutRun(image, layers, sources, log)
}

/** What an order is meant for. */
export function meantFor({ descriptor, platform }: ResolvedImage): OrderedImage {
  return { manifestDigest: descriptor.digest, platform }
}

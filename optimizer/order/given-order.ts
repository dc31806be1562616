/** What comes first in each layer where nothing is run: from records and a list that were given. */

import { IncompleteRecordError, PreconditionError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Digest } from '../image/digest.ts'
import { formatPlatform, type Platform, platformMatches } from '../image/platform.ts'
import { LayerIndex } from '../record/layer-index.ts'
import { type WantedFile, WantedFiles } from '../record/wanted-files.ts'
import type { TarEntry } from '../tar/entry.ts'
import { type ListedFiles, listedFiles, type PrefetchList } from './prefetch-list.ts'
import type { GivenRecord } from './record-file.ts'
import { unmatchedGlobs, warnOfUnmatched } from './unmatched-globs.ts'

/** How many unknown lines are named. */
const UNKNOWN_NAMED_MAX = 10

export interface GivenSources {
  records: readonly GivenRecord[]
  /** The original's way: a record of any image, its paths wanted in every layer. */
  recordAnyLayer: boolean
  list: PrefetchList | null
  /** What becomes of a record that is known to miss accesses. */
  onLoss: 'fail' | 'warn'
}

export interface GivenOrder {
  /** What to put first, across all layers in the order to fetch it; each once. */
  wanted: WantedFile[]
  /** What the list names and leaves out. */
  excluded: WantedFile[]
  /** Lines of the list that name nothing of the image, or leave nothing out. */
  unknown: number
}

/** An image as far as an order is meant for it. */
export interface OrderedImage {
  manifestDigest: Digest
  platform: Platform
}

/** The records meant for this image: those of its platform or, where none was said, of its manifest. */
export function recordsFor(image: OrderedImage, { records, recordAnyLayer }: GivenSources): GivenRecord[] {
  return records.filter(({ platform, record }) =>
    platform === null
      ? recordAnyLayer || namesManifest(record, image.manifestDigest)
      : platformMatches(platform, image.platform),
  )
}

function namesManifest(record: GivenRecord['record'], digest: Digest): boolean {
  return record.entries.some(({ manifestDigest }) => manifestDigest === digest)
}

/**
 * Known before any layer is read.
 * @throws {PreconditionError} RECORD_OF_ANOTHER_IMAGE
 * @throws {IncompleteRecordError}
 */
export function requireFitRecords(images: readonly OrderedImage[], sources: GivenSources, log: Log): void {
  requireRecordsOf(images, sources)
  for (const { file, record } of sources.records) {
    const { header } = record
    if (header === null || header.complete) continue
    const incomplete = `${file} is an incomplete record: ${header.incompleteReasons.join('; ')}`
    if (sources.onLoss === 'fail')
      throw new IncompleteRecordError(`${incomplete}: record again, or take it as it is with --on-loss warn`)
    log.warn(`${incomplete}; going on, as --on-loss warn says`)
  }
}

/** The same, of records that may lack something. @throws {PreconditionError} RECORD_OF_ANOTHER_IMAGE */
export function requireRecordsOf(images: readonly OrderedImage[], sources: GivenSources): void {
  for (const given of sources.records) {
    const meant = images.filter((image) => recordsFor(image, sources).includes(given))
    const fits = meant.some((image) => namesManifest(given.record, image.manifestDigest))
    if (meant.length === 0 || !(fits || sources.recordAnyLayer)) throw otherImage(given, images)
  }
}

/** @param what the images are to the command */
export function otherImage(
  { file, platform, record }: GivenRecord,
  images: readonly { manifestDigest: string; platform: Platform }[],
  what = 'what is converted',
): PreconditionError {
  const of = [...new Set(record.entries.map(({ manifestDigest }) => manifestDigest))].join(', ') || 'no image'
  const wanted = images
    .map((image) => `${image.manifestDigest} (${formatPlatform(image.platform)})`)
    .join(', ')
  const place = platform === null ? '' : ` for ${formatPlatform(platform)}`
  return new PreconditionError(
    'RECORD_OF_ANOTHER_IMAGE',
    `${file} is a record of ${of}, it does not fit${place}: ${what} is ${wanted}; ` +
      'apply it by path alone with --record-any-layer',
  )
}

/** Records in the order given, then the list; null where none of them is meant for this image. */
export function givenOrder(
  image: OrderedImage,
  layers: readonly { entries: TarEntry[] }[],
  sources: GivenSources,
  log: Log,
): GivenOrder | null {
  const records = recordsFor(image, sources)
  if (records.length === 0 && sources.list === null) return null
  const wanted = new WantedFiles(layers.length)
  for (const { record } of records) {
    for (const { path, manifestDigest, layerIndex } of record.entries) {
      if (sources.recordAnyLayer) for (const index of layers.keys()) wanted.add(index, path)
      else if (manifestDigest === image.manifestDigest && layerIndex !== null) wanted.add(layerIndex, path)
    }
  }
  const listed = sources.list === null ? null : listedIn(sources.list, layers, log)
  for (const { layerIndex, path } of listed?.wanted ?? []) wanted.add(layerIndex, path)
  return { wanted: wanted.all, excluded: listed?.excluded ?? [], unknown: listed?.unknownLines ?? 0 }
}

function listedIn(
  list: PrefetchList,
  layers: readonly { entries: TarEntry[] }[],
  log: Log,
): Omit<ListedFiles, 'unknown'> & { unknownLines: number } {
  const index = new LayerIndex(layers.map(({ entries }) => entries))
  const listed = listedFiles(list, index, layers.length)
  for (const { line, text } of listed.unknown.slice(0, UNKNOWN_NAMED_MAX))
    log.warn(`line ${line} of the prefetch list names nothing of the image: ${text}`)
  const rest = listed.unknown.length - UNKNOWN_NAMED_MAX
  if (rest > 0) log.warn(`and so do ${rest} more lines`)
  const { wanted, excluded } = listed
  const idle = unmatchedGlobs(
    list.excluded.map(({ text }) => text),
    excluded.map(({ path }) => path),
    () => entriesIn(index),
  )
  warnOfUnmatched(idle, log, (glob) => `line ${lineOf(list, glob)} of the prefetch list`)
  return { wanted, excluded, unknownLines: listed.unknown.length + idle.length }
}

function* entriesIn(index: LayerIndex): Generator<TarEntry> {
  for (const { entry } of index.located()) yield entry
}

function lineOf({ excluded }: PrefetchList, glob: string): number {
  return excluded.find(({ text }) => text === glob)?.line ?? 0
}

/** `optimizer records rebase`: a record carried over to another image, and what has become of each of its files. */
import { createHash } from 'node:crypto'
import { PreconditionError } from '../shared/errors.ts'
import type { AccessRecord, RecordEntry } from '../shared/record.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform, type Platform, parsePlatform } from './image/platform.ts'
import type { Located } from './record/layer-index.ts'
import { LinkedFiles } from './record/linked-files.ts'
import { type Rebased, rebaseRecord, type SameContent } from './record/rebase.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { TarEntry } from './tar/entry.ts'
import type { IndexedLayer, OpenedLayer } from './tar/layer.ts'
import { type ImageOpening, type OpeningContext, withWholeImage } from './whole-image.ts'

export interface RebaseRequest extends ImageOpening {
  /** Where the record was read from, for messages. */
  file: string
  record: AccessRecord
  target: ImageLocation
  /** Of the target. */
  platform: Platform
  /** The record's image, so that contents can be compared; null: they are not. */
  from: ImageLocation | null
}

/** @throws {PreconditionError} RECORD_WITHOUT_IMAGE, RECORD_OF_ANOTHER_IMAGE; whatever is wrong with an image */
export async function rebaseTo(request: RebaseRequest, context: OpeningContext): Promise<Rebased> {
  const { record, target, platform, from, file } = request
  const recorded = record.header.image
  if (recorded === null)
    throw new PreconditionError(
      'RECORD_WITHOUT_IMAGE',
      `${file} is not of an image: there is nothing to carry it from`,
    )
  const recordedPlatform = parsePlatform(recorded.platform)
  if (from === null)
    return await withWholeImage(request, target, platform, context, async (image, open) =>
      rebaseOn(record, recordedPlatform, image, await open.indexed()),
    )
  const before = await withWholeImage(request, from, recordedPlatform, context, async (image, open) => {
    if (image.descriptor.digest !== recorded.manifestDigest)
      throw new PreconditionError(
        'RECORD_OF_ANOTHER_IMAGE',
        `${file} is a record of ${recorded.manifestDigest}, the image of --from is ${image.descriptor.digest}`,
      )
    return await open.opened((layers) => digestsOfRecord(record, layers))
  })
  return await withWholeImage(request, target, platform, context, (image, open) =>
    open.opened(async (layers) => {
      const found = rebaseOn(record, recordedPlatform, image, layers)
      const after = await digestsOfRecord(found.record, layers)
      const same: SameContent = (entry, located) => {
        const digest = before.get(keyOf(entry))
        return digest === undefined ? undefined : digest === after.get(locatedKey(located))
      }
      return rebaseOn(record, recordedPlatform, image, layers, same)
    }),
  )
}

function rebaseOn(
  record: AccessRecord,
  from: Platform,
  image: ResolvedImage,
  layers: readonly IndexedLayer[],
  sameContent?: SameContent,
): Rebased {
  const target = {
    image: {
      reference: image.name,
      manifestDigest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    layers: layers.map(({ descriptor, entries }) => ({ digest: descriptor.digest, entries })),
    from,
    to: image.platform,
  }
  return rebaseRecord(record, target, sameContent)
}

function keyOf({ layerIndex, path }: RecordEntry): string {
  return `${layerIndex} ${path.toString('latin1')}`
}

function locatedKey({ layerIndex, entry }: Located): string {
  return `${layerIndex} ${entry.path}`
}

/** Of the contents of a record's files, in the image that it is of. */
async function digestsOfRecord(
  { entries }: AccessRecord,
  layers: readonly OpenedLayer[],
): Promise<Map<string, string>> {
  const digests = new Map<string, string>()
  const wanted = new Map(entries.map((entry) => [keyOf(entry), entry]))
  for (const [layerIndex, layer] of layers.entries()) {
    await layer.ready?.()
    const linked = new LinkedFiles(layer.entries)
    try {
      for (const [key, entry] of wanted) {
        if (entry.layerIndex !== layerIndex) continue
        const file = linked.fileOf(linked.at(entry.path.toString('latin1')))
        if (file !== undefined) digests.set(key, await contentDigest(layer, file))
      }
    } finally {
      if (layer.ready !== undefined) await layer.close()
    }
  }
  return digests
}

const PIECE_BYTES = 1024 * 1024

/** Of what is stored, and of where the holes of a sparse file are. */
async function contentDigest(
  layer: OpenedLayer,
  { payloadOffset, payloadBytes, sizeBytes, sparse }: TarEntry,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([sizeBytes, sparse ?? null]))
  for (let at = 0; at < payloadBytes; at += PIECE_BYTES)
    hash.update(await layer.read(payloadOffset + at, Math.min(PIECE_BYTES, payloadBytes - at)))
  return hash.digest('hex')
}

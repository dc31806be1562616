/** Records that a team shares through its registry: artifacts whose subject is the manifest that was recorded. */
import { NotFoundError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { type AccessRecord, formatRecord, RecordError } from '../shared/record.ts'
import type { Descriptor } from './image/descriptor.ts'
import { type Digest, digestOf } from './image/digest.ts'
import { DocumentError, parseManifest } from './image/manifest.ts'
import { formatPlatform } from './image/platform.ts'
import { formatReference, type RegistryReference } from './image/reference.ts'
import { type ContainerdPlace, withRegistryAccess } from './open-stores.ts'
import type { GivenSources } from './order/given-order.ts'
import { type GivenRecord, readRecord } from './order/record-file.ts'
import type { Repository } from './registry/repository.ts'
import type { ResolvedImage } from './store/resolve.ts'

/** Of the artifact, and of the blob in it. */
export const RECORD_ARTIFACT_TYPE = 'application/vnd.hotlayer.record.v1'
const RECORD_MEDIA_TYPE = 'application/vnd.hotlayer.record.v1+jsonl'
const CREATED = 'org.opencontainers.image.created'
const TITLE = 'org.opencontainers.image.title'
/** A record of a million files has less. */
const RECORD_BYTES_MAX = 512 * 1024 * 1024

/** Asked before there is a record. @throws {RegistryError} it would not be taken */
export async function requireAttachable(
  place: ContainerdPlace,
  { registry, repository }: RegistryReference,
): Promise<void> {
  await withRegistryAccess(place, (access) =>
    access.repository(registry, repository, 'write').requireWritable(),
  )
}

/** @returns where it is, as a person writes it */
export async function attachRecord(
  place: ContainerdPlace,
  { registry, repository: name }: RegistryReference,
  image: Pick<ResolvedImage, 'descriptor' | 'platform'>,
  record: AccessRecord,
  log: Log,
): Promise<string> {
  const { attachArtifact } = await import('./registry/referrers.ts')
  return await withRegistryAccess(place, async (access) => {
    const digest = await attachArtifact(access.repository(registry, name, 'write'), {
      artifactType: RECORD_ARTIFACT_TYPE,
      subject: image.descriptor,
      content: {
        mediaType: RECORD_MEDIA_TYPE,
        bytes: Buffer.from(formatRecord(record)),
        annotations: { [TITLE]: 'record.jsonl' },
      },
      annotations: {
        [CREATED]: record.header.started,
        'dev.hotlayer.platform': formatPlatform(image.platform),
      },
    })
    const where = recordName(registry, name, digest)
    log.info(`the record is attached: ${where}`)
    return where
  })
}

/** The newest record of each image that has one, beside what was given. */
export async function withRegistryRecords(
  given: GivenSources,
  place: ContainerdPlace,
  { registry, repository: name }: RegistryReference,
  images: readonly ResolvedImage[],
  log: Log,
): Promise<GivenSources> {
  return await withRegistryAccess(place, async (access) => {
    const repository = access.repository(registry, name, 'read')
    const found = await Promise.all(images.map((image) => newestRecord(repository, image)))
    const records = found.filter((record) => record !== null)
    for (const { file } of records) log.info(`ordered by the record ${file}`)
    return { ...given, records: [...given.records, ...records] }
  })
}

/** @throws {NotFoundError} none of the images has one */
export async function requireRegistryRecords(
  given: GivenSources,
  place: ContainerdPlace,
  repository: RegistryReference,
  images: readonly ResolvedImage[],
  log: Log,
): Promise<GivenSources> {
  const sources = await withRegistryRecords(given, place, repository, images, log)
  if (sources.records.length > given.records.length) return sources
  const digests = images.map(({ descriptor }) => descriptor.digest).join(', ')
  throw new NotFoundError(
    `${repository.registry}/${repository.repository} has no record of ${digests}: make one with \`optimizer record --attach-record\`, or name another repository with --record-repository`,
  )
}

async function newestRecord(
  repository: Repository,
  { descriptor, platform }: ResolvedImage,
): Promise<GivenRecord | null> {
  const { findArtifacts } = await import('./registry/referrers.ts')
  const artifacts = await findArtifacts(repository, descriptor.digest, RECORD_ARTIFACT_TYPE)
  const created = ({ annotations }: Descriptor) => Date.parse(annotations?.[CREATED] ?? '') || 0
  const [newest] = artifacts.sort((one, other) => created(other) - created(one))
  if (newest === undefined) return null
  const file = recordName(repository.registry, repository.name, newest.digest)
  const { bytes } = await repository.manifest(newest.digest)
  const { layers } = parseManifest(bytes, file)
  const content = layers.find(({ mediaType }) => mediaType === RECORD_MEDIA_TYPE)
  if (content === undefined) throw new DocumentError('DOCUMENT_INVALID', `${file} holds no record`)
  const text = await readRecordBlob(repository, content, file)
  try {
    return { file, platform, record: readRecord(text.toString('utf8')) }
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause
    throw new RecordError(cause.code, `${file}: ${cause.message}`, { cause })
  }
}

async function readRecordBlob(
  repository: Repository,
  { digest, size }: Descriptor,
  file: string,
): Promise<Buffer> {
  if (size > RECORD_BYTES_MAX)
    throw new DocumentError('DOCUMENT_TOO_LARGE', `the record ${file} has ${size} bytes: it is not read`)
  const pieces: Buffer[] = []
  for await (const piece of repository.blob(digest, { offsetBytes: 0, endBytes: size, sizeBytes: size }))
    pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  if (digestOf(bytes) === digest) return bytes
  throw new DocumentError(
    'DOCUMENT_CORRUPT',
    `the record ${file} is not the one that was written: attach it again`,
  )
}

function recordName(registry: string, repository: string, digest: Digest): string {
  return `docker://${formatReference({ registry, repository, tag: null, digest })}`
}

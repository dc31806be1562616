/**
 * What is attached to a manifest: artifacts whose `subject` it is, found by the registry or, where that does not
 * know them, by an index under a tag made of the digest.
 *
 * @see OCI distribution spec, "Listing Referrers", "Referrers Tag Schema"
 */
import { NotFoundError } from '../../shared/errors.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import { type Index, parseIndex } from '../image/manifest.ts'
import { invalidAnswer, RegistryError } from './errors.ts'
import type { FoundManifest, Repository } from './repository.ts'

/** Of an artifact that has nothing to say of itself. */
const EMPTY_CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') }
/** How often the index under the tag is written anew where somebody else writes it at the same time. */
const TAG_TRIES = 5

export interface Artifact {
  artifactType: string
  /** The manifest that it is about; it need not be in the repository. */
  subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>
  content: { mediaType: string; bytes: Buffer; annotations?: Record<string, string> }
  annotations: Record<string, string>
}

/** Writes an artifact of one blob, so that it is found by its subject. @returns the digest of its manifest */
export async function attachArtifact(repository: Repository, artifact: Artifact): Promise<Digest> {
  const { artifactType, content, annotations } = artifact
  const { mediaType, digest, size } = artifact.subject
  const config = await sendBytes(repository, EMPTY_CONFIG)
  const blob = await sendBytes(repository, content)
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType,
      config,
      layers: [content.annotations === undefined ? blob : { ...blob, annotations: content.annotations }],
      subject: { mediaType, digest, size },
      annotations,
    }),
  )
  const own = digestOf(manifest)
  const { subject } = await repository.putManifest(own, MEDIA_TYPE.ociManifest, manifest)
  if (subject === undefined) {
    const descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest: own, size: manifest.length }
    await addToTag(repository, digest, { ...descriptor, artifactType, annotations })
  }
  return own
}

/** Artifacts of this type that are about a manifest, as their index has them. */
export async function findArtifacts(
  repository: Repository,
  subject: Digest,
  artifactType: string,
): Promise<Descriptor[]> {
  const isOfType = (descriptor: Descriptor) => descriptor.artifactType === artifactType
  const pages = await repository.referrers(subject)
  const listed = pages?.map((page) => parseIndex(page, `referrers of ${subject}`)) ?? []
  const found = listed.flatMap(({ manifests }) => manifests).filter(isOfType)
  if (found.length > 0) return found
  // There, too, where the registry has learnt to list them only since, or tells other types than they have.
  const tagged = await indexOf(repository.manifestOfReferrers(tagOf(subject)), subject).catch((error) => {
    // Some say of a tag that is not there that it is forbidden; this one has answered already.
    if (pages !== null && isForbidden(error)) return undefined
    throw error
  })
  return (tagged ?? emptyIndex()).manifests.filter(isOfType)
}

/** @see "Referrers Tag Schema": the index lists them, and every client that adds one writes it */
async function addToTag(repository: Repository, subject: Digest, descriptor: Descriptor): Promise<void> {
  for (let tried = 0; tried < TAG_TRIES; tried++) {
    const index = (await indexOf(repository.manifestForWriting(tagOf(subject)), subject)) ?? emptyIndex()
    if (index.manifests.some(({ digest }) => digest === descriptor.digest)) return
    const bytes = Buffer.from(JSON.stringify({ ...index, manifests: [...index.manifests, descriptor] }))
    await repository.putManifest(tagOf(subject), MEDIA_TYPE.ociIndex, bytes)
  }
  throw invalidAnswer(`${repository.registry} does not keep what is written under ${tagOf(subject)}`)
}

/** @returns undefined where there is none under the tag of the subject */
async function indexOf(found: Promise<FoundManifest>, subject: Digest): Promise<Index | undefined> {
  try {
    const { bytes } = await found
    return parseIndex(bytes, `index ${tagOf(subject)}`)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof RegistryError && ['REGISTRY_DENIED', 'REGISTRY_UNAUTHORIZED'].includes(error.code)
}

function emptyIndex(): Index {
  return { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }
}

function tagOf(digest: Digest): string {
  return digest.replace(':', '-')
}

async function sendBytes(
  repository: Repository,
  { mediaType, bytes }: { mediaType: string; bytes: Buffer },
): Promise<Descriptor> {
  const digest = digestOf(bytes)
  if (!(await repository.hasForWriting(digest)))
    await repository.upload({
      digest,
      sizeBytes: bytes.length,
      async *read(start, end) {
        yield bytes.subarray(start, end)
      },
    })
  return { mediaType, digest, size: bytes.length }
}

/** Images in a registry: a repository as the store interfaces. Blobs go first, then manifests, the tag last of all. */
import { UsageError } from '../../shared/errors.ts'
import { isIndexType } from '../image/descriptor.ts'
import { type Digest, isDigest } from '../image/digest.ts'
import { formatLocation } from '../image/location.ts'
import { INDEX_DEPTH_MAX } from '../image/manifest.ts'
import { formatReference, parseReference, type RegistryReference } from '../image/reference.ts'
import type { RegistryAccess } from '../registry/access.ts'
import type { Repository } from '../registry/repository.ts'
import type { FileImages } from './oci-layout.ts'
import { RegistryContent } from './registry-content.ts'
import type { ImageStore, StoredImage } from './store.ts'

interface Child {
  mediaType: string
  digest: Digest
}

export class RegistryImages implements FileImages, ImageStore {
  readonly content: RegistryContent
  readonly images: ImageStore = this
  readonly #repository: Repository

  /** @throws {RegistryError} REGISTRY_CONFIG_INVALID */
  constructor(access: RegistryAccess, { registry, repository }: RegistryReference, action: 'read' | 'write') {
    this.#repository = access.repository(registry, repository, action)
    this.content = new RegistryContent(this.#repository, access.settings)
  }

  /** Asked before there is anything to write. @throws {RegistryError} */
  async requireWritable(): Promise<void> {
    await this.#repository.requireWritable()
  }

  /** Of what was not sent nothing is kept. What was sent and no image names, the registry collects. */
  async close(): Promise<void> {
    await this.content.close()
  }

  async find(text: string): Promise<StoredImage> {
    const reference = this.#own(text)
    return { ...(await this.#get(reference)), name: formatLocation({ kind: 'docker', reference }) }
  }

  async get(name: string): Promise<StoredImage> {
    return { ...(await this.#get(this.#own(name))), name }
  }

  howToFetch(name: string): string {
    return `the registry has lost it, or never had it whole: push it again, as \`skopeo copy --all … ${name}\` does`
  }

  async put({ name, target }: StoredImage): Promise<void> {
    const { tag, digest } = this.#own(name)
    const documents = await this.#documentsOf(target, 0)
    await this.content.settle(documents.flatMap(({ blobs }) => blobs))
    // What is named comes before what names it.
    for (const { child, bytes } of documents.reverse()) {
      const isRoot = child.digest === target.digest
      if (!isRoot) await this.#repository.putManifest(child.digest, child.mediaType, bytes)
    }
    const bytes = await this.content.documentBytes(target.digest)
    await this.#repository.putManifest(tag ?? digest ?? target.digest, target.mediaType, bytes)
  }

  async #get({ tag, digest }: RegistryReference): Promise<Omit<StoredImage, 'name'>> {
    const found = await this.#repository.manifest(digest ?? (tag as string))
    this.content.note(found)
    const { mediaType, bytes } = found
    return { target: { mediaType, digest: found.digest, size: bytes.length }, labels: {} }
  }

  /** The documents below one that were written here, it first, with the blobs that they name. */
  async #documentsOf(
    child: Child,
    depth: number,
  ): Promise<{ child: Child; bytes: Buffer; blobs: Digest[] }[]> {
    const bytes = await this.content.documentBytes(child.digest)
    const json = JSON.parse(bytes.toString('utf8')) as {
      manifests?: Child[]
      config?: Child
      layers?: Child[]
    }
    const isIndex = isIndexType(child.mediaType) && depth < INDEX_DEPTH_MAX
    const below = (isIndex ? (json.manifests ?? []) : []).filter(({ digest }) =>
      this.content.isWritten(digest),
    )
    const blobs = isIndex ? [] : [json.config, ...(json.layers ?? [])].flatMap((blob) => blob?.digest ?? [])
    const documents = [{ child, bytes, blobs: blobs.filter(isDigest) }]
    for (const one of below) documents.push(...(await this.#documentsOf(one, depth + 1)))
    return documents
  }

  /** @throws {UsageError} of another repository: its blobs are elsewhere */
  #own(text: string): RegistryReference {
    const reference = parseReference(text.replace(/^docker:\/\//, ''))
    const { registry, name } = this.#repository
    if (reference !== null && reference.registry === registry && reference.repository === name)
      return reference
    const what =
      reference === null
        ? `${JSON.stringify(text)} is no reference`
        : `${formatReference(reference)} is elsewhere`
    throw new UsageError('IMAGE_ARGUMENT_INVALID', `${what}: name a tag of ${registry}/${name}`)
  }
}

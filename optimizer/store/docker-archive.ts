/**
 * What `docker save` writes: a tar with manifest.json, configs and layers. Read where it lies; the manifest that it
 * lacks is made from what it holds.
 *
 * @see docker-archive(5); moby, image/spec
 */
import type { FileHandle } from 'node:fs/promises'
import { dirname, posix, resolve } from 'node:path'
import { isZstd } from '../../native/zstd.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, DigestCounter, digestOf, isDigest } from '../image/digest.ts'
import { formatLocation, layoutReference } from '../image/location.ts'
import { parseConfig } from '../image/manifest.ts'
import { normalizeReference } from '../image/reference.ts'
import type { TarEntry } from '../tar/entry.ts'
import { isGzip } from '../tar/gunzip.ts'
import { blobOf, entriesByPath, invalid, readEntries, readSmall } from './archive-reader.ts'
import { openRegular, readPieces } from './blob-file.ts'
import { type BlobFiles, FileContentStore, type FoundBlob } from './file-content.ts'
import { BlobLabels } from './labels.ts'
import type { FileImages } from './oci-layout.ts'
import { Staging } from './staging.ts'
import type { BlobInfo, BlobWriter, ContentStore, ImageStore, StoredImage } from './store.ts'

const MANIFEST_FILE = 'manifest.json'
/** A link may lead to a link; no tool writes longer chains. */
const LINKS_MAX = 8

interface ArchivedImage {
  tags: string[]
  target: Descriptor
}

interface ManifestItem {
  Config: string
  RepoTags: string[]
  Layers: string[]
}

export class DockerArchive implements FileImages, BlobFiles, ImageStore {
  readonly content: ContentStore
  readonly images: ImageStore = this
  readonly #path: string
  readonly #file: FileHandle
  readonly #entries: ReadonlyMap<string, TarEntry>
  readonly #blobs = new Map<Digest, TarEntry>()
  /** Manifests, made here. */
  readonly #documents = new Map<Digest, Buffer>()
  readonly #images: ArchivedImage[] = []

  private constructor(path: string, file: FileHandle, entries: ReadonlyMap<string, TarEntry>) {
    this.#path = path
    this.#file = file
    this.#entries = entries
    const staging = new Staging(
      dirname(path),
      async () => {},
      () => {},
    )
    this.content = new WithDocuments(
      path,
      this.#documents,
      new FileContentStore(this, staging, new BlobLabels()),
    )
  }

  /** @throws {LayoutError} ARCHIVE_INVALID naming the entry; {DocumentError} */
  static async openForReading(file: string): Promise<DockerArchive> {
    const path = resolve(file)
    const opened = await openRegular(path)
    if (opened === undefined) throw invalid(path, 'there is no such file')
    try {
      const entries = entriesByPath(
        path,
        await readEntries(opened.file, opened.sizeBytes, path),
        opened.sizeBytes,
        true,
      )
      const archive = new DockerArchive(path, opened.file, entries)
      for (const item of await archive.#items()) await archive.#add(item)
      return archive
    } catch (error) {
      await opened.file.close()
      throw error
    }
  }

  async open(digest: Digest): Promise<FoundBlob | undefined> {
    return blobOf(this.#file, this.#blobs.get(digest))
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async find(text: string): Promise<StoredImage> {
    const reference = layoutReference(text)
    const { target } = this.#find(
      reference === null || 'tag' in reference ? (reference?.tag ?? '') : reference.digest,
    )
    return {
      name: formatLocation({ kind: 'docker-archive', path: this.#path, reference }),
      target,
      labels: {},
    }
  }

  async get(name: string): Promise<StoredImage> {
    return { name, target: this.#find(name).target, labels: {} }
  }

  howToFetch(): string {
    return 'write it again with `docker save`'
  }

  async put(): Promise<void> {
    throw readOnly(this.#path)
  }

  /** @param wanted a reference, a digest of what is made of it, or '' for the only one */
  #find(wanted: string): ArchivedImage {
    const tags = this.#images.flatMap((image) => image.tags).join(', ')
    const offer = tags === '' ? '' : `; it holds ${tags}`
    if (wanted === '') {
      const [only, ...others] = this.#images
      if (only !== undefined && others.length === 0) return only
      throw new NotFoundError(`${this.#path} holds ${this.#images.length} images: name one${offer}`)
    }
    // What is no reference is nothing but its own text.
    const wholeOf = (text: string) => normalizeReference(text) ?? text
    const whole = wholeOf(wanted)
    const found = this.#images.find(
      ({ tags: own, target }) => target.digest === wanted || own.some((tag) => wholeOf(tag) === whole),
    )
    if (found !== undefined) return found
    throw new NotFoundError(`${this.#path} holds no image ${JSON.stringify(wanted)}${offer}`)
  }

  async #items(): Promise<ManifestItem[]> {
    const bytes = await readSmall(this.#path, this.#file, this.#entries.get(MANIFEST_FILE), MANIFEST_FILE)
    let json: unknown
    try {
      json = JSON.parse(bytes.toString('utf8'))
    } catch (cause) {
      throw invalid(this.#path, `${MANIFEST_FILE} is not JSON`, cause)
    }
    if (!Array.isArray(json) || json.length === 0)
      throw invalid(this.#path, `${MANIFEST_FILE} names no image`)
    return json.map((value) => {
      const { Config, RepoTags, Layers } = (value ?? {}) as Record<string, unknown>
      const tags = RepoTags ?? []
      if (typeof Config !== 'string' || !isStrings(Layers) || !isStrings(tags))
        throw invalid(this.#path, `${MANIFEST_FILE}: an image needs Config, Layers and RepoTags`)
      return { Config, Layers, RepoTags: tags }
    })
  }

  async #add({ Config, Layers, RepoTags }: ManifestItem): Promise<void> {
    const configEntry = this.#entry(Config)
    const config = await readSmall(this.#path, this.#file, configEntry, Config)
    const { diff_ids: diffIds } = parseConfig(config, `${this.#path}: ${Config}`).rootfs
    if (diffIds.length !== Layers.length)
      throw invalid(this.#path, `${Config} has ${diffIds.length} diff IDs for ${Layers.length} layers`)
    const layers: Descriptor[] = []
    for (const [index, name] of Layers.entries())
      layers.push(await this.#layer(name, diffIds[index] as Digest))
    const configDigest = digestOf(config)
    this.#blobs.set(configDigest, configEntry)
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.dockerManifest,
        config: { mediaType: MEDIA_TYPE.dockerConfig, digest: configDigest, size: config.length },
        layers,
      }),
    )
    const digest = digestOf(manifest)
    this.#documents.set(digest, manifest)
    this.#images.push({
      tags: RepoTags,
      target: { mediaType: MEDIA_TYPE.dockerManifest, digest, size: manifest.length },
    })
  }

  async #layer(name: string, diffId: Digest): Promise<Descriptor> {
    const entry = this.#entry(name)
    const mediaType = await this.#layerType(entry)
    const named = `sha256:${/^blobs\/sha256\/([0-9a-f]{64})$/.exec(entry.path)?.[1]}`
    // Whoever reads it checks it; what is compressed and has no digest for a name is read for it.
    const isPlain = mediaType === MEDIA_TYPE.dockerLayer
    const digest = isPlain ? diffId : isDigest(named) ? named : await this.#digestOf(entry)
    this.#blobs.set(digest, entry)
    return { mediaType, digest, size: entry.payloadBytes }
  }

  async #layerType({ payloadOffset, payloadBytes }: TarEntry): Promise<string> {
    const headBytes = Math.min(4, payloadBytes)
    for await (const head of readPieces(this.#file, payloadOffset, payloadOffset + headBytes)) {
      if (isGzip(head)) return MEDIA_TYPE.dockerLayerGzip
      if (isZstd(head)) return MEDIA_TYPE.dockerLayerZstd
    }
    return MEDIA_TYPE.dockerLayer
  }

  async #digestOf({ payloadOffset, payloadBytes }: TarEntry): Promise<Digest> {
    const counter = new DigestCounter()
    for await (const piece of readPieces(this.#file, payloadOffset, payloadOffset + payloadBytes))
      counter.update(piece)
    return counter.digest()
  }

  /** A file by its name in manifest.json; links lead to other entries of the archive. */
  #entry(name: string): TarEntry {
    let path = posix.normalize(name)
    for (let links = 0; links < LINKS_MAX; links++) {
      const entry = this.#entries.get(path)
      if (entry?.type === 'reg') return entry
      if (entry?.type !== 'symlink') break
      path = posix.join(posix.dirname(path), entry.linkName.toString('latin1'))
    }
    throw invalid(this.#path, `${MANIFEST_FILE} names ${JSON.stringify(name)}, which is no file in it`)
  }
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function readOnly(path: string): NotFoundError {
  return new NotFoundError(`${path} is open for reading only`)
}

/** Manifests are in memory, all else is in the file. */
class WithDocuments implements ContentStore {
  readonly #path: string
  readonly #documents: ReadonlyMap<Digest, Buffer>
  readonly #files: ContentStore

  constructor(path: string, documents: ReadonlyMap<Digest, Buffer>, files: ContentStore) {
    this.#path = path
    this.#documents = documents
    this.#files = files
  }

  async info(digest: Digest): Promise<BlobInfo> {
    const document = this.#documents.get(digest)
    if (document === undefined) return await this.#files.info(digest)
    return { digest, sizeBytes: document.length, labels: {} }
  }

  async *read(
    digest: Digest,
    range: { offsetBytes?: number; lengthBytes?: number } = {},
  ): AsyncIterable<Buffer> {
    const document = this.#documents.get(digest)
    const { offsetBytes = 0, lengthBytes = document?.length ?? 0 } = range
    if (document === undefined) yield* this.#files.read(digest, range)
    else yield document.subarray(offsetBytes, offsetBytes + lengthBytes)
  }

  async writer(): Promise<BlobWriter> {
    throw readOnly(this.#path)
  }

  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    if (!this.#documents.has(digest)) await this.#files.setLabels(digest, labels)
  }
}

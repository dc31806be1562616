/** The blobs of a repository. What is written is sent in the background; what is read may be kept for a second time. */
import { NotFoundError } from '../../shared/errors.ts'
import { type Descriptor, isIndexType, isManifestType } from '../image/descriptor.ts'
import { type Digest, DigestCounter, isDigest } from '../image/digest.ts'
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import type { BlobRange } from '../registry/download.ts'
import type { EarlyUpload } from '../registry/early-upload.ts'
import type { FoundManifest, Repository } from '../registry/repository.ts'
import type { RegistrySettings } from '../registry/settings.ts'
import { requireExpected } from './expected-content.ts'
import { BlobLabels } from './labels.ts'
import { RegistryUploads } from './registry-uploads.ts'
import type { BlobInfo, BlobWriter, ContentStore, ReadOptions } from './store.ts'
import { TransitBlob } from './transit.ts'

/** What a digest is, as the documents that name it say. */
interface Named {
  kind: 'document' | 'config' | 'blob'
  sizeBytes: number
}

export class RegistryContent implements ContentStore {
  readonly repository: Repository
  readonly ingests = new Set<string>()
  readonly #folder: string
  readonly #keeps: boolean
  readonly #labels = new BlobLabels()
  readonly #uploads: RegistryUploads
  readonly #named = new Map<Digest, Named>()
  /** Of blobs that the registry was asked for. */
  readonly #present = new Map<Digest, number>()
  /** Small ones that were read or written. */
  readonly #documents = new Map<Digest, Buffer>()
  /** Written, and not sent yet or kept; read and kept. */
  readonly #held = new Map<Digest, TransitBlob>()

  constructor(repository: Repository, settings: RegistrySettings) {
    this.repository = repository
    this.#folder = settings.folder
    this.#keeps = settings.keepBlobs
    // What is kept until the end anyway need not wait for its room.
    const unsentBytesMax = settings.keepBlobs ? Number.POSITIVE_INFINITY : settings.limits.unsentBytesMax
    this.#uploads = new RegistryUploads(repository, { uploads: settings.limits.uploads, unsentBytesMax })
  }

  get holdsWhileRead(): boolean {
    return this.repository.hasMirrors
  }

  async info(digest: Digest): Promise<BlobInfo> {
    return { digest, sizeBytes: await this.#sizeOf(digest), labels: this.#labels.get(digest) }
  }

  async *read(
    digest: Digest,
    { offsetBytes = 0, lengthBytes, ...reading }: ReadOptions = {},
  ): AsyncIterable<Buffer> {
    const endBytes = lengthBytes === undefined ? undefined : offsetBytes + lengthBytes
    if (endBytes === offsetBytes) return
    const held = this.#held.get(digest)
    if (held !== undefined) return yield* held.read(offsetBytes, endBytes ?? held.sizeBytes)
    const document = await this.#document(digest)
    if (document !== undefined) return yield document.subarray(offsetBytes, endBytes)
    const isWhole = offsetBytes === 0 && endBytes === undefined
    const sizeBytes = this.#named.get(digest)?.sizeBytes ?? this.#present.get(digest)
    const pieces = this.#fetch(digest, { offsetBytes, endBytes, sizeBytes }, reading)
    yield* isWhole && this.#keeps ? this.#kept(digest, sizeBytes, pieces) : pieces
  }

  async writer(ref: string): Promise<BlobWriter> {
    await this.#uploads.room()
    this.ingests.add(ref)
    return new TransitWriter(ref, new TransitBlob(this.#folder), {
      begin: (blob) => this.#uploads.begin(blob),
      commit: (blob, early, digest, labels) => this.#add(blob, early, digest, labels),
      drop: (early) => this.#uploads.drop(early),
      end: () => this.ingests.delete(ref),
    })
  }

  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    await this.info(digest)
    this.#labels.merge(digest, labels)
  }

  async adopt(from: ContentStore, blob: Descriptor): Promise<boolean> {
    const { digest, mediaType, size } = blob
    // Manifests are put, not sent: they must be at hand.
    if (isManifestType(mediaType) || isIndexType(mediaType)) return false
    const there =
      (await this.repository.hasForWriting(digest)) ||
      (from instanceof RegistryContent && isSameRegistry(from, this)
        ? await this.repository.mount(digest, from.repository.name)
        : false)
    if (there) this.#present.set(digest, size)
    return there
  }

  /** A manifest that was found by a tag. */
  note({ digest, bytes }: FoundManifest): void {
    this.#documents.set(digest, bytes)
    this.#learn(bytes)
  }

  /** Bytes of a document that was written or read. @throws {NotFoundError} */
  async documentBytes(digest: Digest): Promise<Buffer> {
    const known = await this.#document(digest)
    if (known !== undefined) return known
    const held = this.#held.get(digest)
    if (held === undefined) throw new NotFoundError(`the document ${digest} does not exist`)
    const pieces: Buffer[] = []
    for await (const piece of held.read(0, held.sizeBytes)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** A document that was written here. */
  isWritten(digest: Digest): boolean {
    return this.#held.has(digest)
  }

  /** Resolves when the registry has all that was sent to it, and these. @throws the first failure */
  async settle(blobs: readonly Digest[]): Promise<void> {
    for (const digest of blobs) {
      const held = this.#held.get(digest)
      if (held !== undefined) this.#send(digest, held, null, true)
    }
    await this.#uploads.settled()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held.values()].map((blob) => blob.close()))
    this.#held.clear()
  }

  async #add(
    blob: TransitBlob,
    early: EarlyUpload | null,
    digest: Digest,
    labels: Record<string, string>,
  ): Promise<void> {
    this.#labels.merge(digest, labels)
    if (this.#held.has(digest) || this.#uploads.has(digest)) {
      await this.#uploads.drop(early)
      return await blob.close()
    }
    this.#held.set(digest, blob)
    // Documents wait: what they are is said by whoever names them, when the image gets its name.
    if (early !== null || !(await looksLikeDocument(blob))) this.#send(digest, blob, early, this.#keeps)
  }

  #send(digest: Digest, blob: TransitBlob, early: EarlyUpload | null, isKept: boolean): void {
    if (this.#uploads.has(digest)) return
    const whole = { digest, sizeBytes: blob.sizeBytes, read: blob.read.bind(blob) }
    this.#uploads.add(whole, early, async () => {
      this.#present.set(digest, blob.sizeBytes)
      if (isKept) return
      this.#held.delete(digest)
      await blob.close()
    })
  }

  #fetch(
    digest: Digest,
    range: BlobRange,
    { signal, space }: ReadOptions = {},
  ): AsyncGenerator<Buffer, void, undefined> {
    const newHolder = () => new TransitBlob(this.#folder, space)
    return this.repository.blob(digest, range, { wanted: signal, newHolder })
  }

  async *#kept(
    digest: Digest,
    sizeBytes: number | undefined,
    pieces: AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer, void, undefined> {
    const copy = new TransitBlob(this.#folder)
    let isWhole = false
    try {
      for await (const piece of pieces) {
        await copy.append(piece)
        yield piece
      }
      isWhole = sizeBytes === undefined || copy.sizeBytes === sizeBytes
    } finally {
      if (isWhole && !this.#held.has(digest)) this.#held.set(digest, copy)
      else await copy.close()
    }
  }

  async #sizeOf(digest: Digest): Promise<number> {
    const held = this.#held.get(digest)
    if (held !== undefined) return held.sizeBytes
    const document = await this.#document(digest)
    if (document !== undefined) return document.length
    const known = this.#present.get(digest)
    if (known !== undefined) return known
    const promisedBytes = this.#named.get(digest)?.sizeBytes
    const size =
      (await this.repository.blobBytes(digest, promisedBytes)) ?? (await this.#unnamedDocumentBytes(digest))
    if (size === undefined) throw new NotFoundError(`the blob ${digest} does not exist`)
    this.#present.set(digest, size)
    return size
  }

  async #unnamedDocumentBytes(digest: Digest): Promise<number | undefined> {
    if (this.#named.has(digest)) return undefined
    const size = await this.repository.manifestBytes(digest)
    if (size !== undefined) this.#named.set(digest, { kind: 'document', sizeBytes: size })
    return size
  }

  /** What is small and wanted more than once. @returns undefined for other blobs. @throws {NotFoundError} */
  async #document(digest: Digest): Promise<Buffer | undefined> {
    const known = this.#documents.get(digest)
    const { kind, sizeBytes } = this.#named.get(digest) ?? { kind: 'blob', sizeBytes: 0 }
    if (known !== undefined || kind === 'blob') return known
    if (kind === 'document') {
      const found = await this.repository.manifest(digest)
      this.note(found)
      return found.bytes
    }
    // Whoever reads it refuses it for its size.
    if (sizeBytes > DOCUMENT_BYTES_MAX) return undefined
    const pieces: Buffer[] = []
    const whole = { offsetBytes: 0, endBytes: undefined, sizeBytes }
    for await (const piece of this.#fetch(digest, whole)) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    this.#documents.set(digest, bytes)
    return bytes
  }

  /** What a document names, as far as it can be read: whoever wants it checks it. */
  #learn(bytes: Buffer): void {
    let json: { manifests?: unknown; config?: unknown; layers?: unknown } | null
    try {
      json = JSON.parse(bytes.toString('utf8'))
    } catch {
      return
    }
    this.#learnAll(json?.manifests, 'document')
    this.#learnAll([json?.config], 'config')
    this.#learnAll(json?.layers, 'blob')
  }

  #learnAll(descriptors: unknown, kind: Named['kind']): void {
    if (!Array.isArray(descriptors)) return
    for (const item of descriptors) {
      const { digest, size } = (item ?? {}) as Record<string, unknown>
      if (isDigest(digest) && typeof size === 'number' && !this.#named.has(digest))
        this.#named.set(digest, { kind, sizeBytes: size })
    }
  }
}

function isSameRegistry(one: RegistryContent, other: RegistryContent): boolean {
  return (
    one.repository.registry === other.repository.registry && one.repository.name !== other.repository.name
  )
}

/** JSON, by its first byte; no layer that is compressed begins so. */
async function looksLikeDocument(blob: TransitBlob): Promise<boolean> {
  if (blob.sizeBytes > DOCUMENT_BYTES_MAX) return false
  for await (const piece of blob.read(0, 1)) return piece[0] === '{'.charCodeAt(0)
  return false
}

/** What has fewer bytes is sent when it is whole: it may turn out to be there already. */
const EARLY_BYTES = 8 * 1024 * 1024

interface WriterEnds {
  /** null: not before it is whole. */
  begin(blob: TransitBlob): EarlyUpload | null
  commit(
    blob: TransitBlob,
    early: EarlyUpload | null,
    digest: Digest,
    labels: Record<string, string>,
  ): Promise<void>
  drop(early: EarlyUpload | null): Promise<void>
  end(): void
}

class TransitWriter implements BlobWriter {
  readonly #ref: string
  readonly #blob: TransitBlob
  readonly #ends: WriterEnds
  readonly #counter = new DigestCounter()
  #early: EarlyUpload | null = null
  #ended = false

  constructor(ref: string, blob: TransitBlob, ends: WriterEnds) {
    this.#ref = ref
    this.#blob = blob
    this.#ends = ends
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#counter.update(bytes)
    await this.#blob.append(bytes)
    if (this.#blob.sizeBytes < EARLY_BYTES) return
    this.#early ??= this.#ends.begin(this.#blob)
    this.#early?.grown()
  }

  async commit(expected: {
    digest: Digest
    sizeBytes: number
    labels?: Record<string, string>
  }): Promise<void> {
    const { digest } = requireExpected(this.#ref, this.#counter, expected)
    this.#ended = true
    this.#ends.end()
    await this.#ends.commit(this.#blob, this.#early, digest, expected.labels ?? {})
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#ends.end()
    await this.#ends.drop(this.#early)
    await this.#blob.close()
  }
}

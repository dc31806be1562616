/** The store interfaces in memory: what unit tests convert from and into. Passes the contract suite. */

import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { findAsDocker } from '../../optimizer/store/find.ts'
import { mergeLabels } from '../../optimizer/store/labels.ts'
import type {
  BlobInfo,
  BlobWriter,
  ContentStore,
  ImageStore,
  StoredImage,
} from '../../optimizer/store/store.ts'
import { CodedError, NotFoundError } from '../../shared/errors.ts'

interface StoredBlob {
  bytes: Buffer
  labels: Record<string, string>
}

const PIECE_BYTES = 64 * 1024

export class MemoryContentStore implements ContentStore {
  readonly blobs = new Map<Digest, StoredBlob>()
  /** Ingests under way: ref → bytes so far. Empty when everybody has committed or aborted. */
  readonly ingests = new Map<string, Buffer[]>()

  /** Puts a blob there at once. */
  add(bytes: Uint8Array | string, labels: Record<string, string> = {}): Digest {
    const copy = Buffer.from(bytes)
    const digest = digestOf(copy)
    this.blobs.set(digest, { bytes: copy, labels: { ...this.blobs.get(digest)?.labels, ...labels } })
    return digest
  }

  /** The whole blob. @throws {NotFoundError} */
  bytesOf(digest: Digest): Buffer {
    return this.#find(digest).bytes
  }

  async info(digest: Digest): Promise<BlobInfo> {
    const { bytes, labels } = this.#find(digest)
    return { digest, sizeBytes: bytes.length, labels: { ...labels } }
  }

  async *read(
    digest: Digest,
    range: { offsetBytes?: number; lengthBytes?: number } = {},
  ): AsyncIterable<Buffer> {
    const start = range.offsetBytes ?? 0
    const whole = this.#find(digest).bytes
    const part = whole.subarray(
      start,
      range.lengthBytes === undefined ? undefined : start + range.lengthBytes,
    )
    for (let offset = 0; offset < part.length; offset += PIECE_BYTES)
      yield part.subarray(offset, offset + PIECE_BYTES)
  }

  async writer(ref: string): Promise<BlobWriter> {
    this.ingests.set(ref, [])
    return new MemoryBlobWriter(this, ref)
  }

  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    const blob = this.#find(digest)
    blob.labels = mergeLabels(blob.labels, labels)
  }

  #find(digest: Digest): StoredBlob {
    const blob = this.blobs.get(digest)
    if (!blob) throw new NotFoundError(`the blob ${digest} does not exist`)
    return blob
  }
}

class MemoryBlobWriter implements BlobWriter {
  readonly #store: MemoryContentStore
  readonly #ref: string

  constructor(store: MemoryContentStore, ref: string) {
    this.#store = store
    this.#ref = ref
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pieces().push(Buffer.from(bytes))
  }

  async commit(expected: {
    digest: Digest
    sizeBytes: number
    labels?: Record<string, string>
  }): Promise<void> {
    const bytes = Buffer.concat(this.#pieces())
    const digest = digestOf(bytes)
    if (digest !== expected.digest || bytes.length !== expected.sizeBytes) {
      const message = `ingest ${this.#ref}: ${bytes.length} bytes with ${digest}, not ${expected.sizeBytes} with ${expected.digest}`
      throw new CodedError('CONTENT_MISMATCH', message)
    }
    this.#store.ingests.delete(this.#ref)
    this.#store.add(bytes, expected.labels)
  }

  async abort(): Promise<void> {
    this.#store.ingests.delete(this.#ref)
  }

  #pieces(): Buffer[] {
    const pieces = this.#store.ingests.get(this.#ref)
    if (!pieces) throw new CodedError('INGEST_ENDED', `the ingest ${this.#ref} has ended`)
    return pieces
  }
}

export class MemoryImageStore implements ImageStore {
  readonly images = new Map<string, StoredImage>()

  async find(text: string): Promise<StoredImage> {
    return await findAsDocker(this, text)
  }

  async get(name: string): Promise<StoredImage> {
    const image = this.images.get(name)
    if (!image) throw new NotFoundError(`the image "${name}" does not exist`)
    return structuredClone(image)
  }

  howToFetch(name: string, platforms: readonly string[]): string {
    return `pull ${name} for ${platforms.join(', ') || 'all platforms'}`
  }

  async put(image: StoredImage): Promise<void> {
    this.images.set(image.name, structuredClone(image))
  }
}

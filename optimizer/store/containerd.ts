/** Images in containerd: the store interfaces over its content and image services. */
import { NotFoundError } from '../../shared/errors.ts'
import type { Containerd } from '../containerd/client.ts'
import type { Ingest } from '../containerd/content.ts'
import { AlreadyExistsError, ifFound } from '../containerd/errors.ts'
import type { Digest } from '../image/digest.ts'
import { readPieces } from './blob-file.ts'
import { DirectIngest } from './direct-ingest.ts'
import { findAsDocker } from './find.ts'
import { LocalBlobs } from './local-blobs.ts'
import type { BlobInfo, BlobWriter, ContentStore, ImageStore, StoredImage } from './store.ts'

/** Smaller blobs are not worth three more round trips. */
const DIRECT_BYTES_MIN = 4 * 1024 * 1024

/** How often create and update are tried in turn while others create and delete the same name. */
const PUT_ATTEMPTS = 5

export class ContainerdContentStore implements ContentStore {
  readonly #containerd: Containerd
  readonly #runId: string
  readonly #local: LocalBlobs | null

  /**
   * @param containerd under a lease: what is written belongs to it
   * @param runId every ingest's ref begins with it, so that `clean` can tell ours
   */
  constructor(containerd: Containerd, runId: string) {
    this.#containerd = containerd
    this.#runId = runId
    this.#local = containerd.directContent ? new LocalBlobs(containerd) : null
  }

  async info(digest: Digest): Promise<BlobInfo> {
    return await this.#containerd.content.info(digest)
  }

  async *read(
    digest: Digest,
    range: { offsetBytes?: number; lengthBytes?: number } = {},
  ): AsyncIterable<Buffer> {
    const { offsetBytes = 0, lengthBytes } = range
    const { content } = this.#containerd
    const sizeBytes = this.#local === null ? 0 : (await content.info(digest)).sizeBytes
    const file = await this.#local?.open(digest, sizeBytes)
    if (file === undefined) {
      yield* content.read(digest, { offsetBytes, lengthBytes })
      return
    }
    try {
      const start = Math.min(offsetBytes, sizeBytes)
      yield* readPieces(file, start, Math.min(sizeBytes, start + (lengthBytes ?? sizeBytes)))
    } finally {
      await file.close()
    }
  }

  async writer(ref: string, likelyBytes = 0): Promise<BlobWriter> {
    const { content } = this.#containerd
    const own = `${this.#runId}-${ref}`
    const direct =
      this.#local !== null && likelyBytes >= DIRECT_BYTES_MIN
        ? await DirectIngest.open(content, this.#local, own)
        : undefined
    return new ContainerdBlobWriter(this, direct ?? (await content.write(own)))
  }

  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    const { content, leases } = this.#containerd
    // Whoever else holds it may let it go while the rest of our image is made.
    await leases.addBlob(digest)
    if (Object.keys(labels).length === 0) await content.info(digest)
    else await content.setLabels(digest, labels)
  }
}

class ContainerdBlobWriter implements BlobWriter {
  readonly #store: ContentStore
  readonly #ingest: Ingest | DirectIngest

  constructor(store: ContentStore, ingest: Ingest | DirectIngest) {
    this.#store = store
    this.#ingest = ingest
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#ingest.write(bytes)
  }

  nearEnd(): void {
    if (this.#ingest instanceof DirectIngest) this.#ingest.goOn()
  }

  async commit(expected: {
    digest: Digest
    sizeBytes: number
    labels?: Record<string, string>
  }): Promise<void> {
    const { digest, sizeBytes, labels = {} } = expected
    try {
      await this.#ingest.commit(digest, sizeBytes, labels)
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
      await this.#store.setLabels(digest, labels)
    }
  }

  async abort(): Promise<void> {
    await this.#ingest.abort()
  }
}

export class ContainerdImageStore implements ImageStore {
  readonly #containerd: Containerd

  constructor(containerd: Containerd) {
    this.#containerd = containerd
  }

  async find(text: string): Promise<StoredImage> {
    return await findAsDocker(this, text, (names) => this.#otherNamespaces(names))
  }

  async get(name: string): Promise<StoredImage> {
    return await this.#containerd.images.get(name)
  }

  /** Each client has a namespace of its own for a default, and so people look in the wrong one. */
  async #otherNamespaces(names: readonly string[]): Promise<string> {
    const { namespace: own, namespaces } = this.#containerd
    const found: string[] = []
    // Advice alone: without it the error is the same.
    const all = await namespaces.list().catch(() => [])
    for (const namespace of all.filter((other) => other !== own)) {
      const images = this.#containerd.imagesOf(namespace)
      const held = await Promise.all(names.map((name) => ifFound(images.get(name))))
      if (held.includes(true)) found.push(`--namespace ${namespace}`)
    }
    return found.length === 0 ? '' : `it is in another of containerd's namespaces: use ${found.join(' or ')}`
  }

  howToFetch(name: string, platforms: readonly string[]): string {
    const options = platforms.length === 0 ? ['--all-platforms'] : platforms.map((one) => `--platform ${one}`)
    const commands = options.map((option) => `\`ctr content fetch ${option} ${name}\``)
    const elsewhere = `take docker://${name} where a registry has it`
    return `fetch it with ${commands.join(' and ')} (a containerd that discards unpacked layers keeps none), or ${elsewhere}`
  }

  async put(image: StoredImage): Promise<void> {
    const { images } = this.#containerd
    for (let attempt = 1; ; attempt++) {
      try {
        await images.create(image)
        return
      } catch (error) {
        if (!(error instanceof AlreadyExistsError)) throw error
      }
      try {
        await images.update(image)
        return
      } catch (error) {
        // Deleted since: create it after all.
        if (!(error instanceof NotFoundError) || attempt === PUT_ATTEMPTS) throw error
      }
    }
  }
}

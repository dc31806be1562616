/** A content store over files: blobs that lie there, and those staged in this run. */
import type { FileHandle } from 'node:fs/promises'
import { NotFoundError } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'
import { readPieces } from './blob-file.ts'
import type { BlobLabels } from './labels.ts'
import type { Staging } from './staging.ts'
import type { BlobInfo, BlobWriter, ContentStore } from './store.ts'

/** A blob as a part of an open file. `close` ends its use. */
export interface FoundBlob {
  file: FileHandle
  offsetBytes: number
  sizeBytes: number
  close(): Promise<void>
}

export interface BlobFiles {
  /** @returns undefined for a blob that is not there */
  open(digest: Digest): Promise<FoundBlob | undefined>
}

export class FileContentStore implements ContentStore {
  readonly #files: BlobFiles
  readonly #staging: Staging
  readonly #labels: BlobLabels

  constructor(files: BlobFiles, staging: Staging, labels: BlobLabels) {
    this.#files = files
    this.#staging = staging
    this.#labels = labels
  }

  async info(digest: Digest): Promise<BlobInfo> {
    const { sizeBytes, close } = await this.#open(digest)
    await close()
    return { digest, sizeBytes, labels: this.#labels.get(digest) }
  }

  async *read(
    digest: Digest,
    range: { offsetBytes?: number; lengthBytes?: number } = {},
  ): AsyncIterable<Buffer> {
    const blob = await this.#open(digest)
    try {
      const start = Math.min(range.offsetBytes ?? 0, blob.sizeBytes)
      const end = Math.min(blob.sizeBytes, start + (range.lengthBytes ?? blob.sizeBytes))
      yield* readPieces(blob.file, blob.offsetBytes + start, blob.offsetBytes + end)
    } finally {
      await blob.close()
    }
  }

  async writer(ref: string): Promise<BlobWriter> {
    return await this.#staging.writer(ref)
  }

  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    await this.info(digest)
    this.#labels.merge(digest, labels)
  }

  async #open(digest: Digest): Promise<FoundBlob> {
    const found = await this.#files.open(digest)
    if (found === undefined) throw new NotFoundError(`the blob ${digest} does not exist`)
    return found
  }
}

/**
 * Blobs that were written and that no image holds yet: in a hidden folder beside their destination, on the same file
 * system, so that they get there by a rename. Whatever is not taken from here goes with the folder.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError, messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import { writeWhole } from '../tar/nameless-file.ts'
import { requireExpected } from './expected-content.ts'
import { makeOwnFolder } from './process-identity.ts'
import type { BlobWriter } from './store.ts'

export const STAGING_PREFIX = '.hotlayer-'

export interface StagedBlob {
  path: string
  sizeBytes: number
}

export class Staging {
  /** Ingests under way, by ref. */
  readonly ingests = new Map<string, BlobWriter>()
  readonly blobs = new Map<Digest, StagedBlob>()
  readonly #parent: string
  readonly #prepare: () => Promise<void>
  readonly #onCommit: (digest: Digest, labels: Record<string, string>) => void
  #folder: Promise<string> | undefined
  #files = 0

  /**
   * @param parent where the folder is made, with the first blob
   * @param prepare runs before that
   */
  constructor(
    parent: string,
    prepare: () => Promise<void>,
    onCommit: (digest: Digest, labels: Record<string, string>) => void,
  ) {
    this.#parent = parent
    this.#prepare = prepare
    this.#onCommit = onCommit
  }

  /** A new file's path in the folder. */
  async newPath(): Promise<string> {
    this.#folder ??= this.#makeFolder()
    return join(await this.#folder, String(this.#files++))
  }

  async writer(ref: string): Promise<BlobWriter> {
    const path = await this.newPath()
    const file = await writing(path, () => open(path, 'wx', 0o644))
    const writer = new StagedWriter(this, ref, path, file)
    this.ingests.set(ref, writer)
    return writer
  }

  add(digest: Digest, blob: StagedBlob, labels: Record<string, string>): void {
    this.blobs.set(digest, blob)
    this.#onCommit(digest, labels)
  }

  /** Moves a blob out, whole: over whatever is there under its name. */
  async take(digest: Digest, destination: string): Promise<void> {
    const blob = this.blobs.get(digest) as StagedBlob
    await rename(blob.path, destination)
    this.blobs.delete(digest)
  }

  async remove(): Promise<void> {
    if (this.#folder === undefined) return
    for (const writer of [...this.ingests.values()]) await writer.abort()
    const folder = await this.#folder.catch(() => undefined)
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    this.#folder = undefined
    this.blobs.clear()
  }

  async #makeFolder(): Promise<string> {
    await this.#prepare()
    return await writing(`in ${this.#parent}`, async () => makeOwnFolder(join(this.#parent, STAGING_PREFIX)))
  }
}

/** @param where as the sentence goes on @throws {PreconditionError} STORE_NOT_WRITABLE @throws other errors as they are */
export async function writing<T>(where: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    if (cause instanceof CodedError || systemCodeOf(cause) === undefined) throw cause
    const message = `cannot write ${where}: ${messageOf(cause)}`
    throw new PreconditionError('STORE_NOT_WRITABLE', message, { cause })
  }
}

class StagedWriter implements BlobWriter {
  readonly #staging: Staging
  readonly #ref: string
  readonly #path: string
  readonly #file: FileHandle
  readonly #counter = new DigestCounter()
  #ended = false

  constructor(staging: Staging, ref: string, path: string, file: FileHandle) {
    this.#staging = staging
    this.#ref = ref
    this.#path = path
    this.#file = file
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#counter.update(bytes)
    const position = this.#counter.sizeBytes - bytes.length
    await writing(this.#path, () => writeWhole(this.#file, bytes, position))
  }

  async commit(expected: {
    digest: Digest
    sizeBytes: number
    labels?: Record<string, string>
  }): Promise<void> {
    const { digest, sizeBytes } = requireExpected(this.#ref, this.#counter, expected)
    await writing(this.#path, () => this.#file.sync())
    await this.#end()
    this.#staging.add(digest, { path: this.#path, sizeBytes }, expected.labels ?? {})
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    await this.#end()
    await rm(this.#path, { force: true })
  }

  async #end(): Promise<void> {
    this.#ended = true
    this.#staging.ingests.delete(this.#ref)
    await this.#file.close()
  }
}

/** Images in a folder: an OCI layout. Neither a daemon nor a privilege is needed. */
import { access, constants, lstat, mkdir, open, readdir, rename, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { claim } from '../../native/claim.ts'
import { messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'
import { formatLocation, layoutReference } from '../image/location.ts'
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import { openRegular, readPieces } from './blob-file.ts'
import { type BlobFiles, FileContentStore, type FoundBlob } from './file-content.ts'
import { BlobLabels } from './labels.ts'
import {
  INDEX_FILE,
  LAYOUT_FILE,
  LAYOUT_TEXT,
  LayoutError,
  LayoutIndex,
  requireLayoutVersion,
} from './layout-index.ts'
import { STAGING_PREFIX, Staging, writing } from './staging.ts'
import type { ContentStore, ImageStore, StoredImage } from './store.ts'

const BLOBS_FOLDER = join('blobs', 'sha256')
/** In a layout while somebody publishes an image in it. */
export const LOCK_FILE = '.index.lock'
/** One is published in milliseconds, or as long as its renames take. */
const OTHERS_SECONDS_MAX = 60

export interface FileImages {
  readonly content: ContentStore
  readonly images: ImageStore
  /** Removes what was written and is in no image. */
  close(): Promise<void>
}

/**
 * Blobs are staged until an image is put: then they are renamed into `blobs`, and `index.json` last, under a lock.
 * Nothing of a layout is trusted: links are not followed, documents are bounded, blobs are checked by who reads them.
 */
export class OciLayout implements FileImages, BlobFiles, ImageStore {
  readonly content: ContentStore
  readonly images: ImageStore = this
  readonly #folder: string
  readonly #staging: Staging
  #made = false

  private constructor(folder: string) {
    this.#folder = folder
    const labels = new BlobLabels()
    this.#staging = new Staging(
      folder,
      () => this.#makeFolder(),
      (digest, changes) => labels.merge(digest, changes),
    )
    this.content = new FileContentStore(this, this.#staging, labels)
  }

  /** @throws {LayoutError} LAYOUT_INVALID */
  static async openForReading(path: string): Promise<OciLayout> {
    const layout = new OciLayout(resolve(path))
    await layout.#requireLayout()
    return layout
  }

  /**
   * The folder may be missing (its parent not) or empty, but for what others have who write to it, or were killed as they
   * did. @throws {LayoutError} @throws {DocumentError} @throws {PreconditionError}
   */
  static async openForWriting(path: string): Promise<OciLayout> {
    const layout = new OciLayout(resolve(path))
    const names = await layout.#names()
    if (names?.some((name) => name !== LOCK_FILE && !name.startsWith(STAGING_PREFIX))) {
      await layout.#requireLayout()
      // Known before any work is done, not when the image is put.
      await layout.#readIndex()
    }
    await requireWritable(names === undefined ? dirname(layout.#folder) : layout.#folder)
    return layout
  }

  get ingests(): string[] {
    return [...this.#staging.ingests.keys()]
  }

  async close(): Promise<void> {
    await this.#staging.remove()
    // Made for this image, and empty because it was not put.
    if (this.#made) await rmdir(this.#folder).catch(() => {})
  }

  async open(digest: Digest): Promise<FoundBlob | undefined> {
    const path = this.#staging.blobs.get(digest)?.path ?? this.#blobPath(digest)
    const found = await openRegular(path)
    if (found === undefined) return undefined
    const { file, sizeBytes } = found
    return { file, sizeBytes, offsetBytes: 0, close: () => file.close() }
  }

  async get(name: string): Promise<StoredImage> {
    return (await this.#readIndex()).find({ tag: name })
  }

  async find(text: string): Promise<StoredImage> {
    const reference = layoutReference(text)
    const image = (await this.#readIndex()).find(reference)
    return { ...image, name: formatLocation({ kind: 'oci', path: this.#folder, reference }) }
  }

  howToFetch(name: string): string {
    return `copy it again with all its platforms, as \`skopeo copy --all docker://… ${name}\` does`
  }

  async put(image: StoredImage): Promise<void> {
    await this.#makeFolder()
    await writing(this.#folder, () => this.#publish(image))
  }

  async #publish(image: StoredImage): Promise<void> {
    const release = await this.#turn()
    try {
      await this.#publishBlobs()
      const index = await this.#readIndex()
      await this.#replace(INDEX_FILE, index.with(image).format())
    } finally {
      release()
    }
  }

  /** Writers of one layout take turns. @returns ends ours */
  async #turn(): Promise<() => void> {
    const timeout = AbortSignal.timeout(OTHERS_SECONDS_MAX * 1000)
    try {
      return await claim(join(this.#folder, LOCK_FILE), timeout)
    } catch (cause) {
      if (cause !== timeout.reason) throw cause
      throw new PreconditionError(
        'STORE_NOT_WRITABLE',
        `cannot write ${this.#folder}: another process has been writing to it for ${OTHERS_SECONDS_MAX} s; try again when it is done`,
        { cause },
      )
    }
  }

  async #publishBlobs(): Promise<void> {
    // First of all: who comes meanwhile finds a layout.
    if ((await openAndClose(join(this.#folder, LAYOUT_FILE))) === false)
      await this.#replace(LAYOUT_FILE, LAYOUT_TEXT)
    const folder = join(this.#folder, BLOBS_FOLDER)
    await mkdir(folder, { recursive: true })
    await this.#requireRealFolders()
    // Over what is there: a blob that an interrupted copy has left short becomes whole.
    for (const digest of [...this.#staging.blobs.keys()])
      await this.#staging.take(digest, this.#blobPath(digest))
    await syncFolder(folder)
  }

  async #replace(name: string, text: string): Promise<void> {
    const temporary = await this.#staging.newPath()
    await writeSynced(temporary, text)
    await rename(temporary, join(this.#folder, name))
    await syncFolder(this.#folder)
  }

  async #readIndex(): Promise<LayoutIndex> {
    const bytes = await readSmall(join(this.#folder, INDEX_FILE))
    return bytes === undefined ? LayoutIndex.empty(this.#folder) : LayoutIndex.parse(bytes, this.#folder)
  }

  async #requireLayout(): Promise<void> {
    const names = await this.#names()
    if (names === undefined) throw new LayoutError('LAYOUT_INVALID', `there is no folder ${this.#folder}`)
    const version = await readSmall(join(this.#folder, LAYOUT_FILE))
    if (version === undefined)
      throw new LayoutError(
        'LAYOUT_INVALID',
        `${this.#folder} is not an OCI layout: it has no file ${LAYOUT_FILE}`,
      )
    requireLayoutVersion(version, this.#folder)
    await this.#requireRealFolders()
  }

  /** A link in place of a folder would lead reads and writes out of the layout. */
  async #requireRealFolders(): Promise<void> {
    for (const name of ['blobs', BLOBS_FOLDER]) {
      const path = join(this.#folder, name)
      const stat = await lstat(path).catch(() => undefined)
      if (stat !== undefined && !stat.isDirectory())
        throw new LayoutError('LAYOUT_INVALID', `${path} is not a folder (links are not followed)`)
    }
  }

  async #names(): Promise<string[] | undefined> {
    try {
      return await readdir(this.#folder)
    } catch (cause) {
      if (systemCodeOf(cause) === 'ENOENT') return undefined
      throw new LayoutError('LAYOUT_INVALID', `cannot read ${this.#folder}: ${messageOf(cause)}`, { cause })
    }
  }

  async #makeFolder(): Promise<void> {
    try {
      await mkdir(this.#folder)
      this.#made = true
    } catch (cause) {
      if (systemCodeOf(cause) === 'EEXIST') return
      throw new PreconditionError('STORE_NOT_WRITABLE', `cannot make ${this.#folder}: ${messageOf(cause)}`, {
        cause,
      })
    }
  }

  #blobPath(digest: Digest): string {
    return join(this.#folder, BLOBS_FOLDER, digest.slice('sha256:'.length))
  }
}

/** @throws {PreconditionError} STORE_NOT_WRITABLE: known before any work is done */
export async function requireWritable(folder: string): Promise<void> {
  await writing(`in ${folder}`, () => access(folder, constants.W_OK | constants.X_OK))
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o644)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A document's file; undefined where there is none. @throws {LayoutError} */
async function readSmall(path: string): Promise<Buffer | undefined> {
  const found = await openRegular(path)
  if (found === undefined) return undefined
  try {
    if (found.sizeBytes > DOCUMENT_BYTES_MAX)
      throw new LayoutError(
        'LAYOUT_INVALID',
        `${path} has ${found.sizeBytes} bytes, at most ${DOCUMENT_BYTES_MAX} are read`,
      )
    const pieces: Buffer[] = []
    for await (const piece of readPieces(found.file, 0, found.sizeBytes)) pieces.push(piece)
    return Buffer.concat(pieces)
  } finally {
    await found.file.close()
  }
}

async function openAndClose(path: string): Promise<boolean> {
  const found = await openRegular(path)
  await found?.file.close()
  return found !== undefined
}

/** Names in the folder outlive a power failure then. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Images in a tar file: an OCI layout as an archive. A file that is written appears whole, in one step. */
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { NotFoundError } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'
import { formatLocation, layoutReference } from '../image/location.ts'
import { encodeHeader } from '../tar/generate.ts'
import { BLOCK_BYTES, FLAG, paddingBytes } from '../tar/header.ts'
import { ArchiveReader } from './archive-reader.ts'
import { openRegular, readPieces } from './blob-file.ts'
import { type BlobFiles, FileContentStore, type FoundBlob } from './file-content.ts'
import { BlobLabels } from './labels.ts'
import { INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, LayoutIndex } from './layout-index.ts'
import { type FileImages, requireWritable, syncFolder } from './oci-layout.ts'
import { Staging, writing } from './staging.ts'
import type { ContentStore, ImageStore, StoredImage } from './store.ts'

/** Opened for reading it holds what the file holds; opened for writing, the images put and nothing else. */
export class OciArchive implements FileImages, BlobFiles, ImageStore {
  readonly content: ContentStore
  readonly images: ImageStore = this
  readonly #path: string
  readonly #staging: Staging
  readonly #reader: ArchiveReader | null
  #index: LayoutIndex

  private constructor(path: string, reader: ArchiveReader | null) {
    this.#path = path
    this.#reader = reader
    this.#index = reader?.index ?? LayoutIndex.empty(path)
    const labels = new BlobLabels()
    this.#staging = new Staging(
      dirname(path),
      async () => {},
      (digest, changes) => labels.merge(digest, changes),
    )
    this.content = new FileContentStore(this, this.#staging, labels)
  }

  /** @throws {LayoutError} */
  static async openForReading(path: string): Promise<OciArchive> {
    return new OciArchive(resolve(path), await ArchiveReader.open(resolve(path)))
  }

  /** The file is replaced when an image is put. @throws {PreconditionError} */
  static async openForWriting(path: string): Promise<OciArchive> {
    const target = resolve(path)
    // A folder or a device in its place is known before any work is done.
    await (await openRegular(target))?.file.close()
    await requireWritable(dirname(target))
    return new OciArchive(target, null)
  }

  get ingests(): string[] {
    return [...this.#staging.ingests.keys()]
  }

  async close(): Promise<void> {
    await this.#staging.remove()
    await this.#reader?.close()
  }

  async open(digest: Digest): Promise<FoundBlob | undefined> {
    const staged = this.#staging.blobs.get(digest)
    if (staged === undefined) return await this.#reader?.open(digest)
    const found = await openRegular(staged.path)
    if (found === undefined) return undefined
    return { ...found, offsetBytes: 0, close: () => found.file.close() }
  }

  async get(name: string): Promise<StoredImage> {
    return this.#index.find({ tag: name })
  }

  async find(text: string): Promise<StoredImage> {
    const reference = layoutReference(text)
    const image = this.#index.find(reference)
    return { ...image, name: formatLocation({ kind: 'oci-archive', path: this.#path, reference }) }
  }

  howToFetch(name: string): string {
    return `copy it again with all its platforms, as \`skopeo copy --all docker://… ${name}\` does`
  }

  async put(image: StoredImage): Promise<void> {
    if (this.#reader !== null) throw new NotFoundError(`${this.#path} is open for reading only`)
    this.#index = this.#index.with(image)
    await writing(this.#path, () => this.#write())
  }

  async #write(): Promise<void> {
    const temporary = await this.#staging.newPath()
    const file = await open(temporary, 'wx', 0o644)
    try {
      await this.#pack(file, this.#index)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path)
    await syncFolder(dirname(this.#path))
  }

  /** The small documents first, blobs by digest: the bytes depend on the images alone. */
  async #pack(file: FileHandle, index: LayoutIndex): Promise<void> {
    await writeEntry(file, LAYOUT_FILE, Buffer.from(LAYOUT_TEXT))
    await writeEntry(file, INDEX_FILE, Buffer.from(index.format()))
    for (const folder of ['blobs/', 'blobs/sha256/'])
      await file.appendFile(header(folder, 0, FLAG.dir, 0o755))
    for (const digest of [...this.#staging.blobs.keys()].sort()) {
      const blob = (await this.open(digest)) as FoundBlob
      try {
        await file.appendFile(header(`blobs/sha256/${digest.slice('sha256:'.length)}`, blob.sizeBytes))
        for await (const piece of readPieces(blob.file, 0, blob.sizeBytes)) await file.appendFile(piece)
        await file.appendFile(Buffer.alloc(paddingBytes(blob.sizeBytes)))
      } finally {
        await blob.close()
      }
    }
    await file.appendFile(Buffer.alloc(2 * BLOCK_BYTES))
  }
}

async function writeEntry(file: FileHandle, name: string, content: Buffer): Promise<void> {
  await file.appendFile(header(name, content.length))
  await file.appendFile(content)
  await file.appendFile(Buffer.alloc(paddingBytes(content.length)))
}

function header(name: string, sizeBytes: number, flag: string = FLAG.reg, mode = 0o644): Buffer {
  return encodeHeader({ flag, name: Buffer.from(name), sizeBytes, mode })
}

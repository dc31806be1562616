/** An OCI layout in a tar file, read where it lies: nothing is unpacked. */
import type { FileHandle } from 'node:fs/promises'
import { messageOf } from '../../shared/errors.ts'
import { type Digest, isDigest } from '../image/digest.ts'
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { TarIndexer } from '../tar/indexer.ts'
import { openRegular, readPieces } from './blob-file.ts'
import type { BlobFiles, FoundBlob } from './file-content.ts'
import { INDEX_FILE, LAYOUT_FILE, LayoutError, LayoutIndex, requireLayoutVersion } from './layout-index.ts'

/** Headers are read in pieces of this size; content is passed over. */
const PIECE_BYTES = 64 * 1024
const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})$/

export class ArchiveReader implements BlobFiles {
  readonly index: LayoutIndex
  readonly #file: FileHandle
  readonly #blobs: ReadonlyMap<Digest, TarEntry>

  private constructor(file: FileHandle, index: LayoutIndex, blobs: ReadonlyMap<Digest, TarEntry>) {
    this.#file = file
    this.index = index
    this.#blobs = blobs
  }

  /** @throws {LayoutError} ARCHIVE_INVALID, LAYOUT_INVALID naming the entry */
  static async open(path: string): Promise<ArchiveReader> {
    const opened = await openRegular(path)
    if (opened === undefined) throw invalid(path, 'there is no such file')
    const { file, sizeBytes } = opened
    try {
      const entries = entriesByPath(path, await readEntries(file, sizeBytes, path), sizeBytes)
      requireLayoutVersion(await readSmall(path, file, entries.get(LAYOUT_FILE), LAYOUT_FILE), path)
      const index = LayoutIndex.parse(await readSmall(path, file, entries.get(INDEX_FILE), INDEX_FILE), path)
      return new ArchiveReader(file, index, blobEntries(entries))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async open(digest: Digest): Promise<FoundBlob | undefined> {
    return blobOf(this.#file, this.#blobs.get(digest))
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** The entry's content, where it lies; the archive stays open. */
export function blobOf(file: FileHandle, entry: TarEntry | undefined): FoundBlob | undefined {
  if (entry === undefined) return undefined
  const { payloadOffset, payloadBytes } = entry
  return { file, offsetBytes: payloadOffset, sizeBytes: payloadBytes, close: async () => {} }
}

/** Headers alone; content is passed over. @throws {LayoutError} ARCHIVE_INVALID */
export async function readEntries(file: FileHandle, sizeBytes: number, path: string): Promise<TarEntry[]> {
  const indexer = new TarIndexer()
  try {
    for (let position = 0; position < sizeBytes; position += indexer.passOver()) {
      const end = Math.min(sizeBytes, position + PIECE_BYTES)
      for await (const piece of readPieces(file, position, end)) {
        indexer.push(piece)
        position += piece.length
      }
    }
    indexer.end()
  } catch (cause) {
    const gzip = 'it is no tar; a compressed archive must be decompressed first'
    throw invalid(path, `${gzip} (${messageOf(cause)})`, cause)
  }
  return indexer.entries
}

/**
 * One plain file or folder per path, all inside: whatever else an archive of a layout has, it was made to harm.
 * @param links symbolic links may be there, too
 * @throws {LayoutError} ARCHIVE_INVALID naming the entry
 */
export function entriesByPath(
  path: string,
  entries: readonly TarEntry[],
  sizeBytes: number,
  links = false,
): ReadonlyMap<string, TarEntry> {
  const byPath = new Map<string, TarEntry>()
  for (const entry of entries) {
    const name = JSON.stringify(entry.name.toString())
    if (/^\/|(?:^|\/)\.\.(?:\/|$)/.test(entry.name.toString('latin1')))
      throw invalid(path, `the entry ${name} leads out of the archive`)
    const isLink = links && entry.type === 'symlink'
    if (entry.type !== 'reg' && entry.type !== 'dir' && !isLink)
      throw invalid(path, `the entry ${name} is a ${entry.type}; only files and folders belong here`)
    if (entry.sparse !== undefined) throw invalid(path, `the entry ${name} is sparse`)
    if (entry.payloadOffset + entry.payloadBytes > sizeBytes)
      throw invalid(path, `the file ends inside the entry ${name}`)
    if (entry.type === 'dir') continue
    if (byPath.has(entry.path)) throw invalid(path, `the entry ${name} comes twice`)
    byPath.set(entry.path, entry)
  }
  return byPath
}

function blobEntries(entries: ReadonlyMap<string, TarEntry>): ReadonlyMap<Digest, TarEntry> {
  const blobs = new Map<Digest, TarEntry>()
  for (const [path, entry] of entries) {
    const digest = `sha256:${BLOB_PATH.exec(path)?.[1]}`
    if (isDigest(digest)) blobs.set(digest, entry)
  }
  return blobs
}

/** @throws {LayoutError} ARCHIVE_INVALID */
export async function readSmall(
  path: string,
  file: FileHandle,
  entry: TarEntry | undefined,
  name: string,
): Promise<Buffer> {
  if (entry === undefined) throw invalid(path, `it has no ${name}: not an archive of this kind`)
  const { payloadOffset, payloadBytes } = entry
  if (payloadBytes > DOCUMENT_BYTES_MAX)
    throw invalid(path, `${name} has ${payloadBytes} bytes, at most ${DOCUMENT_BYTES_MAX} are read`)
  const pieces: Buffer[] = []
  for await (const piece of readPieces(file, payloadOffset, payloadOffset + payloadBytes)) pieces.push(piece)
  return Buffer.concat(pieces)
}

export function invalid(path: string, what: string, cause?: unknown): LayoutError {
  return new LayoutError('ARCHIVE_INVALID', `${path}: ${what}`, cause === undefined ? {} : { cause })
}

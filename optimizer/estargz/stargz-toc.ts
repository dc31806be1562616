/** The TOC that lazily pulling snapshotters read, made as a blob is written: of eStargz and of their zstd:chunked. */
import type { TarEntry } from '../tar/entry.ts'
import type { WrittenChunk } from './blob-format.ts'
import { chunkEntry, TocEntries, type TocEntry, TocText } from './toc.ts'

export class StargzToc {
  readonly #entries = new TocEntries()
  readonly #text = new TocText()
  /** The entry of the file whose chunks are coming. */
  #file: TocEntry | undefined

  entry(entry: TarEntry): void {
    this.#text.add(this.#entries.textFromTar(entry), true)
  }

  chunk(entry: TarEntry, chunk: WrittenChunk): void {
    const { chunkOffset, offset, innerOffset, chunkDigest, fileDigest } = chunk
    const last = fileDigest !== undefined
    const chunkSize = last ? 0 : chunk.bytes
    const content = { offset, innerOffset, chunkSize, chunkDigest }
    if (chunkOffset === 0 && last) {
      this.#text.add(this.#entries.textFromTar(entry, { ...content, digest: fileDigest }), true)
      return
    }
    if (chunkOffset === 0) {
      // Of more than one chunk the file's digest is known with the last of them.
      this.#file = this.#entries.fromTar(entry, { ...content, digest: chunkDigest })
      this.#text.add(this.#file, false)
      return
    }
    const file = this.#file as TocEntry
    if (last) file.digest = fileDigest
    this.#text.add(chunkEntry(file.name, chunkOffset, content), last)
  }

  /** Its JSON, in pieces. Once only. */
  end(): Buffer[] {
    return this.#text.end()
  }
}

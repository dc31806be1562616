/**
 * zstd:chunked in the dialect of containers/storage (podman, buildah, CRI-O): its TOC, and the tar-split data with
 * which a reader that pulls in parts proves the diff ID.
 *
 * @see containers/storage, pkg/chunked
 */
import { ZstdStream } from '../../native/zstd.ts'
import { digestOf } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { paddingBytes } from '../tar/header.ts'
import type { BlobEnd, BlobOutput, BlobTable, WrittenChunk } from './blob-format.ts'
import type { Codec } from './codec.ts'
import { type ContainersEntry, containersEntry } from './containers-toc.ts'
import { Crc64 } from './crc64.ts'
import type { Member } from './members.ts'
import { TarSplitText } from './tar-split.ts'
import { TocText } from './toc.ts'
import { containersAnnotations } from './zstd-annotations.ts'
import { END_OF_ARCHIVE } from './zstd-footer.ts'
import { emitFooter, emitFrame } from './zstd-frames.ts'

/** Header blocks in base64 are mostly the same characters: this is fast, and higher levels gain little. */
const TAR_SPLIT_LEVEL = 9
const TAR_SPLIT_PIECE_BYTES = 256 * 1024
const EMPTY = Buffer.alloc(0)
const EMPTY_DIGEST = digestOf('')

export class ContainersTable implements BlobTable {
  readonly #codecOf: (bytes: number) => Codec
  readonly #toc = new TocText<ContainersEntry>()
  readonly #tarSplit = new CompressedTarSplit()
  /** Entries whose headers were seen and that are not told yet. */
  readonly #seen = new Map<TarEntry, ContainersEntry>()
  /** Bytes between contents that belong to no segment yet; the first of them pad the content before. */
  #between: Buffer = EMPTY
  #paddingBytes = 0
  /** Of the file whose content passes. */
  #sum = new Crc64()
  /** The entry of the file whose chunks are being told. */
  #file: ContainersEntry | undefined
  /** Every entry is told exactly; otherwise readers would refuse the layer when they compare. */
  #isExact = true

  /** @param codecOf of the TOC by its size, and of the end of the archive */
  constructor(codecOf: (bytes: number) => Codec) {
    this.#codecOf = codecOf
  }

  observe({ parts }: Member, bytes: Uint8Array): void {
    const [first] = parts
    if (first?.chunk !== undefined) {
      this.#observeContent(first.entry, first.chunk, bytes)
      return
    }
    this.#between = Buffer.concat([this.#between, bytes])
    for (const { entry } of parts) this.#takeHeader(entry)
  }

  /** A member of content has nothing else in it. */
  #observeContent(entry: TarEntry, chunk: { offset: number; bytes: number }, bytes: Uint8Array): void {
    if (chunk.offset === 0) {
      this.#takeHeader(entry)
      this.#sum = new Crc64()
    }
    this.#sum.update(bytes)
    const { sizeBytes } = entry
    if (chunk.offset + chunk.bytes < sizeBytes) return
    this.#tarSplit.text.file({ name: entry.name.toString('utf8'), sizeBytes, checksum: this.#sum.digest() })
    this.#paddingBytes = paddingBytes(sizeBytes)
  }

  /** The header of an entry, with what pads the content before it: one segment. */
  #takeHeader(entry: TarEntry): void {
    const headerEnd = this.#paddingBytes + (entry.replacementHeader?.length ?? entry.headerBytes)
    const header = this.#between.subarray(this.#paddingBytes, headerEnd)
    this.#tarSplit.text.segment(this.#between.subarray(0, headerEnd))
    const described = containersEntry(header)
    this.#isExact &&= described.isExact
    this.#seen.set(entry, described.entry)
    if (entry.type === 'reg' && entry.sizeBytes === 0) described.entry.digest = EMPTY_DIGEST
    if (entry.sizeBytes === 0) this.#tarSplit.text.file({ name: described.entry.name, sizeBytes: 0 })
    this.#between = this.#between.subarray(headerEnd)
    this.#paddingBytes = 0
  }

  #take(entry: TarEntry): ContainersEntry {
    const seen = this.#seen.get(entry) as ContainersEntry
    this.#seen.delete(entry)
    return seen
  }

  entry(entry: TarEntry): void {
    this.#toc.add(this.#take(entry), true)
  }

  chunk(entry: TarEntry, chunk: WrittenChunk): void {
    const { chunkOffset, bytes, offset, endOffset, chunkDigest, fileDigest } = chunk
    const ends = fileDigest !== undefined
    const pieces = bytes === entry.sizeBytes ? {} : { chunkSize: bytes, chunkDigest }
    if (chunkOffset === 0) {
      // Of more than one chunk the file's digest and end are known with the last of them.
      this.#file = Object.assign(this.#take(entry), { digest: fileDigest, offset, endOffset }, pieces)
      this.#toc.add(this.#file, ends)
      return
    }
    const file = this.#file as ContainersEntry
    if (ends) Object.assign(file, { digest: fileDigest, endOffset })
    this.#toc.add({ type: 'chunk', name: file.name, offset, endOffset, chunkOffset, ...pieces }, ends)
  }

  async end(output: BlobOutput): Promise<BlobEnd> {
    await output.member([END_OF_ARCHIVE], this.#codecOf(END_OF_ARCHIVE.length))
    this.#tarSplit.text.segment(Buffer.concat([this.#between, END_OF_ARCHIVE]))
    const tarSplit = this.#isExact ? this.#tarSplit.end() : undefined
    const fields: Record<string, string> =
      tarSplit === undefined ? {} : { tarSplitDigest: digestOf(tarSplit.compressed) }
    const json = this.#toc.end(fields)
    const jsonBytes = json.reduce((sum, piece) => sum + piece.length, 0)
    const compressed = await output.compressed(json, this.#codecOf(jsonBytes))
    const compressedTocDigest = digestOf(compressed)
    const toc = await emitFrame(output, compressed, jsonBytes)
    const frames =
      tarSplit === undefined
        ? { toc }
        : { toc, tarSplit: await emitFrame(output, tarSplit.compressed, tarSplit.uncompressedBytes) }
    await emitFooter(output, { dialect: 'containers', ...frames })
    const annotations = containersAnnotations({ ...frames, compressedTocDigest })
    return { tocOffset: toc.offset, tocDigest: compressedTocDigest, annotations }
  }
}

/** Compressed as it comes: as text it would be the largest thing in memory. */
class CompressedTarSplit {
  readonly #stream = new ZstdStream(TAR_SPLIT_LEVEL)
  readonly #pieces: Buffer[] = []
  #uncompressedBytes = 0
  readonly text = new TarSplitText(TAR_SPLIT_PIECE_BYTES, (piece) => {
    this.#uncompressedBytes += piece.length
    this.#pieces.push(this.#stream.write(piece))
  })

  end(): { compressed: Buffer; uncompressedBytes: number } {
    this.text.end()
    this.#pieces.push(this.#stream.end())
    return { compressed: Buffer.concat(this.#pieces), uncompressedBytes: this.#uncompressedBytes }
  }
}

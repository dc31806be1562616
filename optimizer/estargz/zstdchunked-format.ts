/**
 * zstd:chunked: zstd frames, and the TOC in a frame that plain readers skip. Of its two dialects the one of
 * stargz-snapshotter is here.
 *
 * @see stargz-snapshotter, estargz/zstdchunked/zstdchunked.go
 */
import { compressionEngine, requireCompressionLevel } from '../../native/compression.ts'
import { MEDIA_TYPE } from '../image/descriptor.ts'
import { DigestCounter, digestOf } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { BlobEnd, BlobFormat, BlobOutput, BlobTable, WrittenChunk } from './blob-format.ts'
import { type Codec, type TocCodec, type TocLevel, tocCodecOf } from './codec.ts'
import { ContainersTable } from './containers-table.ts'
import { TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from './estargz-format.ts'
import { StargzToc } from './stargz-toc.ts'
import { stargzAnnotations } from './zstd-annotations.ts'
import { END_OF_ARCHIVE, type ZstdChunkedDialect } from './zstd-footer.ts'
import { emitFooter, emitFrame } from './zstd-frames.ts'

export interface ZstdChunkedOptions {
  dialect: ZstdChunkedDialect
  compressionLevel: number
  /** Of what clients wait for: the members before the landmark, and the TOC. The engine's best when absent. */
  prefetchCompressionLevel?: number
  chunkBytes: number
}

const MIB = 1024 * 1024
/**
 * Of a TOC of 3 MiB level 17 takes a third of the best one's time for two bytes in a hundred; beyond 4 MiB the best level takes
 * seconds and 80 MiB, level 16 a quarter of both for a tenth more bytes.
 */
const TOC_LEVELS: readonly TocLevel[] = [
  { aboveBytes: 4 * MIB, level: 16 },
  { aboveBytes: MIB, level: 17 },
]

/** @throws {UsageError} COMPRESSION_LEVEL_INVALID; {PreconditionError} ENGINE_MISSING */
export function zstdChunkedFormat(options: ZstdChunkedOptions): BlobFormat {
  const engine = compressionEngine('zstd')
  const hotLevel = options.prefetchCompressionLevel ?? engine.levelMax
  requireCompressionLevel(options.compressionLevel, engine)
  requireCompressionLevel(hotLevel, engine)
  const hotCodec: Codec = { engine: engine.name, level: hotLevel }
  const tocCodec = tocCodecOf(hotCodec, options.prefetchCompressionLevel ?? null, TOC_LEVELS)
  const forContainers = options.dialect === 'containers'
  return {
    name: forContainers ? 'zstdchunked-containers' : 'zstdchunked',
    mediaType: MEDIA_TYPE.ociLayerZstd,
    engine,
    hotCodec,
    codec: { engine: engine.name, level: options.compressionLevel },
    chunkBytes: options.chunkBytes,
    minChunkBytes: 0,
    // Who pulls in parts fetches contents alone.
    contentApart: forContainers,
    // Nobody of that family fetches ahead; everybody would unpack a landmark as a file.
    hasLandmark: !forContainers,
    begin: () => (forContainers ? new ContainersTable(tocCodec) : new StargzTable(tocCodec)),
  }
}

class StargzTable implements BlobTable {
  readonly #codecOf: TocCodec
  readonly #toc = new StargzToc()

  constructor(codecOf: TocCodec) {
    this.#codecOf = codecOf
  }

  entry(entry: TarEntry): void {
    this.#toc.entry(entry)
  }

  chunk(entry: TarEntry, chunk: WrittenChunk): void {
    this.#toc.chunk(entry, chunk)
  }

  async end(output: BlobOutput): Promise<BlobEnd> {
    await output.member([END_OF_ARCHIVE], this.#codecOf(END_OF_ARCHIVE.length))
    const json = this.#toc.end()
    const counter = new DigestCounter()
    for (const piece of json) counter.update(piece)
    const [tocDigest, jsonBytes] = [counter.digest(), counter.sizeBytes]
    const compressed = await output.compressed(json, this.#codecOf(jsonBytes))
    const toc = await emitFrame(output, compressed, jsonBytes)
    await emitFooter(output, { dialect: 'stargz', toc })
    return {
      tocDigest,
      tocOffset: toc.offset,
      annotations: {
        [TOC_DIGEST_ANNOTATION]: tocDigest,
        [UNCOMPRESSED_SIZE_ANNOTATION]: String(output.uncompressedBytes),
        ...stargzAnnotations({ toc, compressedTocDigest: digestOf(compressed) }),
      },
    }
  }
}

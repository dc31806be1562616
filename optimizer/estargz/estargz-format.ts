/**
 * eStargz: gzip members, the TOC as last entry of the tar in a member of its own, a footer that says where it is.
 *
 * @see stargz-snapshotter, docs/estargz.md
 */
import { compressionEngine, type EngineName, requireCompressionLevel } from '../../native/compression.ts'
import { MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { BlobEnd, BlobFormat, BlobOutput, BlobTable, WrittenChunk } from './blob-format.ts'
import { type Codec, type TocCodec, type TocLevel, tocCodecOf } from './codec.ts'
import { encodeExternalTocFooter, encodeFooter, tocMember } from './gzip.ts'
import { StargzToc } from './stargz-toc.ts'

/** Digest of the uncompressed TOC JSON; a lazily pulling snapshotter trusts no TOC without it. */
export const TOC_DIGEST_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest'
/** Bytes of the uncompressed blob, in decimal; read by containers/storage. */
export const UNCOMPRESSED_SIZE_ANNOTATION = 'io.containers.estargz.uncompressed-size'

export interface EstargzOptions {
  /** The best of this machine when absent. */
  engine?: EngineName
  compressionLevel: number
  /** Of what clients wait for: the members before the landmark, and the TOC. The engine's best when absent. */
  prefetchCompressionLevel?: number
  chunkBytes: number
  /** 0 when absent. */
  minChunkBytes?: number
  /** The TOC goes to an image of its own. */
  externalToc?: boolean
  /** The tar stays as it is, in source order; with `externalToc` only. */
  keepDiffId?: boolean
}

const MIB = 1024 * 1024
/** Level 10 takes a third of the best one's time for half a byte in a hundred, level 9 a tenth for two. */
const TOC_LEVELS: readonly TocLevel[] = [
  { aboveBytes: 4 * MIB, level: 9 },
  { aboveBytes: MIB, level: 10 },
]

/** @throws {UsageError} COMPRESSION_LEVEL_INVALID; {PreconditionError} ENGINE_MISSING */
export function estargzFormat(options: EstargzOptions): BlobFormat {
  const engine = compressionEngine(options.engine)
  const hotLevel = options.prefetchCompressionLevel ?? engine.levelMax
  requireCompressionLevel(options.compressionLevel, engine)
  requireCompressionLevel(hotLevel, engine)
  const hotCodec: Codec = { engine: engine.name, level: hotLevel }
  const tocCodec = tocCodecOf(hotCodec, options.prefetchCompressionLevel ?? null, TOC_LEVELS)
  return {
    name: 'estargz',
    mediaType: MEDIA_TYPE.ociLayerGzip,
    engine,
    hotCodec,
    codec: { engine: engine.name, level: options.compressionLevel },
    chunkBytes: options.chunkBytes,
    minChunkBytes: options.minChunkBytes ?? 0,
    contentApart: false,
    hasLandmark: true,
    lossless: options.keepDiffId ?? false,
    begin: () => new EstargzTable(tocCodec, options.externalToc ?? false),
  }
}

class EstargzTable implements BlobTable {
  readonly #codecOf: TocCodec
  readonly #isExternal: boolean
  readonly #toc = new StargzToc()

  constructor(codecOf: TocCodec, isExternal: boolean) {
    this.#codecOf = codecOf
    this.#isExternal = isExternal
  }

  entry(entry: TarEntry): void {
    this.#toc.entry(entry)
  }

  chunk(entry: TarEntry, chunk: WrittenChunk): void {
    this.#toc.chunk(entry, chunk)
  }

  async end(output: BlobOutput): Promise<BlobEnd> {
    const json = this.#toc.end()
    const tocDigest = digestOfParts(json)
    const place = this.#isExternal ? await this.#apart(json, output) : await this.#inside(json, output)
    return {
      tocDigest,
      ...place,
      annotations: {
        [TOC_DIGEST_ANNOTATION]: tocDigest,
        [UNCOMPRESSED_SIZE_ANNOTATION]: String(output.uncompressedBytes),
      },
    }
  }

  async #inside(json: Buffer[], output: BlobOutput): Promise<{ tocOffset: number }> {
    const tocOffset = output.offset
    await output.member(tocMember(json), this.#codecOf(bytesOf(json)))
    await output.raw(encodeFooter(tocOffset))
    return { tocOffset }
  }

  /** What would be the last member is a blob of its own. */
  async #apart(json: Buffer[], output: BlobOutput): Promise<Pick<BlobEnd, 'tocOffset' | 'externalToc'>> {
    const tar = tocMember(json)
    const diffId = digestOfParts(tar)
    const bytes = await output.compressed(tar, this.#codecOf(bytesOf(json)))
    await output.raw(encodeExternalTocFooter())
    return { tocOffset: null, externalToc: { bytes, diffId } }
  }
}

function bytesOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function digestOfParts(parts: readonly Buffer[]): Digest {
  const digest = new DigestCounter()
  for (const part of parts) digest.update(part)
  return digest.digest()
}

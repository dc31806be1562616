/** A finished blob of eStargz or zstd:chunked, read from its end: footer, TOC, and every chunk when asked. */
import { createHash } from 'node:crypto'
import { decompressFrames } from '../../native/zstd.ts'
import { messageOf } from '../../shared/errors.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import { NO_PREFETCH_LANDMARK, PREFETCH_LANDMARK } from '../tar/format-names.ts'
import { EXTERNAL_TOC_FOOTER_BYTES, FOOTER_BYTES, isExternalTocFooter, parseFooter } from './gzip.ts'
import { parseToc, type Toc, type TocEntry, TocError } from './toc.ts'
import { inflate, requireStoredTocBytes, tocJson } from './toc-member.ts'
import { FOOTER_BYTES as ZSTD_FOOTER_BYTES } from './zstd-footer.ts'
import { readZstdToc, type ZstdFrames } from './zstdchunked-reader.ts'

/** Reads exactly the bytes asked for. */
export type ReadAt = (offsetBytes: number, lengthBytes: number) => Promise<Buffer>

/** The last two are zstd:chunked, in its two dialects. */
export type LazyFormat = 'estargz' | 'zstdchunked' | 'zstdchunked-containers'

export interface LayerToc {
  format: LazyFormat
  toc: Toc
  /** The TOC's bytes as they are in the blob. */
  json: Buffer
  /** Of `json`: what the layer's annotation must say. */
  tocDigest: Digest
  /** null: in another image. */
  tocOffset: number | null
  /** Compressed bytes of the tar: everything before what holds the TOC. */
  contentBytes: number
  /** The first landmark there is; undefined when the layer has none. */
  landmark: Landmark | undefined
  /** Of zstd:chunked only. */
  frames?: ZstdFrames
}

export interface Landmark {
  kind: 'prefetch' | 'no-prefetch'
  /** Compressed bytes before its content. */
  offset: number
  /** Position among the TOC's entries. */
  index: number
}

/** Of whatever format. */
const TAIL_BYTES = Math.max(FOOTER_BYTES, ZSTD_FOOTER_BYTES.containers)

/**
 * @returns undefined when the blob does not end in a footer of eStargz or zstd:chunked
 * @throws {TocError} it does, but the TOC is not where or what it should be
 */
export async function readToc(read: ReadAt, blobBytes: number): Promise<LayerToc | undefined> {
  const tailBytes = Math.min(TAIL_BYTES, blobBytes)
  const tail = await read(blobBytes - tailBytes, tailBytes)
  const zstd = await readZstdToc(read, blobBytes, tail)
  if (zstd !== undefined) {
    const { dialect, json, contentBytes, frames } = zstd
    const format = dialect === 'stargz' ? 'zstdchunked' : 'zstdchunked-containers'
    return { format, ...described(json), tocOffset: frames.toc.offset, contentBytes, frames }
  }
  const footer = parseFooter(tail)
  if (footer === undefined) return undefined
  const { tocOffset, footerBytes } = footer
  const memberBytes = blobBytes - footerBytes - tocOffset
  if (memberBytes <= 0) {
    throw new TocError(
      'TOC_MALFORMED',
      `the footer names the offset ${tocOffset} in a blob of ${blobBytes} bytes`,
    )
  }
  requireStoredTocBytes(memberBytes)
  const json = await tocJson(await read(tocOffset, memberBytes))
  return { format: 'estargz', ...described(json), tocOffset, contentBytes: tocOffset }
}

/** Whether the blob says that its TOC is in another image. */
export async function hasExternalToc(read: ReadAt, blobBytes: number): Promise<boolean> {
  const tailBytes = Math.min(EXTERNAL_TOC_FOOTER_BYTES, blobBytes)
  return isExternalTocFooter(await read(blobBytes - tailBytes, tailBytes))
}

/**
 * The same of a blob whose TOC is in another image.
 * @param member the layer of that image: the TOC as a tar, in gzip
 * @throws {TocError}
 */
export async function readExternalToc(member: Buffer, blobBytes: number): Promise<LayerToc> {
  const json = await tocJson(member)
  const contentBytes = blobBytes - EXTERNAL_TOC_FOOTER_BYTES
  return { format: 'estargz', ...described(json), tocOffset: null, contentBytes }
}

function described(json: Buffer): Pick<LayerToc, 'toc' | 'json' | 'tocDigest' | 'landmark'> {
  const toc = parseToc(json)
  return { toc, json, tocDigest: digestOf(json), landmark: findLandmark(toc) }
}

function findLandmark(toc: Toc): Landmark | undefined {
  const index = toc.entries.findIndex(
    ({ name }) => name === PREFETCH_LANDMARK || name === NO_PREFETCH_LANDMARK,
  )
  const entry = toc.entries[index]
  if (entry === undefined) return undefined
  return {
    kind: entry.name === PREFETCH_LANDMARK ? 'prefetch' : 'no-prefetch',
    offset: entry.offset ?? 0,
    index,
  }
}

/** A piece of a regular file: where it lies in which member, and where its bytes belong. */
export interface Chunk {
  /** Name of the file. */
  name: string
  offset: number
  /** Of the compressed member. */
  memberBytes: number
  /** Where it begins in the uncompressed member. */
  innerOffset: number
  chunkOffset: number
  chunkBytes: number
  chunkDigest: Digest | undefined
  compression: 'gzip' | 'zstd'
}

export type LayerChunks = Pick<LayerToc, 'toc' | 'contentBytes' | 'format'>

/**
 * The chunks of all regular files in blob order. What the TOC leaves out is filled in: a chunk without a size goes
 * to the end of its file, a member to the next.
 * @throws {TocError} CHUNKS_INCONSISTENT
 */
export function chunksOf({ toc, contentBytes, format }: LayerChunks): Chunk[] {
  const chunks: Chunk[] = []
  let file: TocEntry | undefined
  for (const entry of toc.entries) {
    if (entry.type === 'reg') file = entry
    const isChunk = entry.type === 'chunk' || (entry.type === 'reg' && (entry.size ?? 0) > 0)
    if (!isChunk || file === undefined) continue
    const { offset = 0, chunkOffset = 0, innerOffset = 0 } = entry
    const chunkBytes = entry.chunkSize || (file.size ?? 0) - chunkOffset
    const { chunkDigest = entry.digest } = entry
    chunks.push({
      name: file.name,
      offset,
      memberBytes: 0,
      innerOffset,
      chunkOffset,
      chunkBytes,
      chunkDigest,
      compression: format === 'estargz' ? 'gzip' : 'zstd',
    })
  }
  measureMembers(chunks, contentBytes)
  requireConsistent(chunks, toc)
  return chunks
}

/** A member goes to the next one; several chunks may share it. */
function measureMembers(chunks: readonly Chunk[], contentBytes: number): void {
  let end = contentBytes
  let following: Chunk | undefined
  for (const chunk of chunks.toReversed()) {
    if (following !== undefined && following.offset !== chunk.offset) end = following.offset
    chunk.memberBytes = end - chunk.offset
    following = chunk
  }
}

/** Chunks follow each other in the blob, and those of a file cover it. */
function requireConsistent(chunks: readonly Chunk[], toc: Toc): void {
  const files = toc.entries.filter(({ type, size }) => type === 'reg' && (size ?? 0) > 0)
  let next = 0
  for (const { name, size = 0 } of files) {
    for (let end = 0; end < size; next++) {
      const chunk = chunks[next]
      const follows = chunk?.name === name && chunk.chunkOffset === end && chunk.memberBytes > 0
      if (
        !follows ||
        overlaps(chunk, chunks[next - 1]) ||
        chunk.chunkBytes <= 0 ||
        end + chunk.chunkBytes > size
      ) {
        throw new TocError('CHUNKS_INCONSISTENT', `the chunks of ${name} do not cover it in order`)
      }
      end += chunk.chunkBytes
    }
  }
}

/** Contents of one member come one after the other. */
function overlaps(chunk: Chunk, before: Chunk | undefined): boolean {
  if (before === undefined || before.offset !== chunk.offset) return false
  return chunk.innerOffset < before.innerOffset + before.chunkBytes
}

/** Header blocks of following entries may share a member with a chunk; more than this is no layer's. */
const MEMBER_SURPLUS_BYTES_MAX = 256 * 1024 ** 2

/** One chunk's content, verified. @throws {TocError} CHUNK_CORRUPT, CHUNK_UNVERIFIABLE */
export async function readChunk(read: ReadAt, chunk: Chunk): Promise<Buffer> {
  const where = `the chunk of ${chunk.name} at ${chunk.offset}`
  if (chunk.chunkDigest === undefined) throw new TocError('CHUNK_UNVERIFIABLE', `${where} has no digest`)
  let member: Buffer
  try {
    const compressed = await read(chunk.offset, chunk.memberBytes)
    const bytesMax = chunk.innerOffset + chunk.chunkBytes + MEMBER_SURPLUS_BYTES_MAX
    // Decompressed here and now: a chunk is some thousandths of a second.
    const zstd = chunk.compression === 'zstd'
    member = zstd ? decompressFrames(compressed, bytesMax) : await inflate(compressed, bytesMax)
  } catch (cause) {
    throw new TocError('CHUNK_CORRUPT', `${where} cannot be read: ${messageOf(cause)}`, { cause })
  }
  const content = member.subarray(chunk.innerOffset, chunk.innerOffset + chunk.chunkBytes)
  const found = digestOf(content)
  if (content.length === chunk.chunkBytes && found === chunk.chunkDigest) return content
  throw new TocError('CHUNK_CORRUPT', `${where} has ${found}, the TOC says ${chunk.chunkDigest}`)
}

/**
 * Reads every chunk and compares chunk and file digests with the TOC's.
 * @returns the content digest of each regular file by its name in the TOC
 * @throws {TocError}
 */
export async function verifyContents(read: ReadAt, layer: LayerToc): Promise<Map<string, Digest>> {
  const digests = new Map<string, Digest>()
  const chunks = chunksOf(layer)
  let next = 0
  for (const entry of layer.toc.entries) {
    if (entry.type !== 'reg') continue
    const hash = createHash('sha256')
    for (let rest = entry.size ?? 0; rest > 0; next++) {
      const content = await readChunk(read, chunks[next] as Chunk)
      hash.update(content)
      rest -= content.length
    }
    const found: Digest = `sha256:${hash.digest('hex')}`
    if (entry.digest !== undefined && entry.digest !== found) {
      throw new TocError('CHUNK_CORRUPT', `${entry.name} has ${found}, the TOC says ${entry.digest}`)
    }
    digests.set(entry.name, found)
  }
  return digests
}

/** What a finished image is, layer by layer: from its documents and the ends of its blobs, nothing is unpacked. */
import { isZstd } from '../native/zstd.ts'
import { tocLayerOf } from './convert/toc-image.ts'
import { TOC_DIGEST_ANNOTATION } from './estargz/estargz-format.ts'
import {
  hasExternalToc,
  type LayerToc,
  type LazyFormat,
  type ReadAt,
  readExternalToc,
  readToc,
} from './estargz/reader.ts'
import { TocError } from './estargz/toc.ts'
import { requireStoredTocBytes } from './estargz/toc-member.ts'
import { CONTAINERS_ANNOTATION } from './estargz/zstd-annotations.ts'
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import { formatPlatform } from './image/platform.ts'
import { readRange } from './store/read-blob.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'
import { isGzip } from './tar/gunzip.ts'

export const INSPECTION_SCHEMA_VERSION = 1

export interface Inspection {
  schemaVersion: typeof INSPECTION_SCHEMA_VERSION
  name: string
  /** What the name points at. */
  digest: Digest
  manifestDigest: Digest
  platform: string
  /** Where the TOCs are that are not inside their layers; null where there is no such layer, and where it is not found. */
  tocImage: { name: string; digest: Digest } | null
  layers: InspectedLayer[]
}

export interface InspectedLayer {
  index: number
  digest: Digest
  mediaType: string
  sizeBytes: number
  format: LazyFormat | 'gzip' | 'zstd' | 'tar'
  /** null for formats without one, and for one that is not found. */
  toc: InspectedToc | null
  /** The TOC is in another image. */
  externalToc: boolean
}

export interface InspectedToc {
  /** Computed from its bytes: of the TOC, in the containers dialect of the compressed TOC. */
  digest: Digest
  /** As the manifest's annotation promises it to clients; null when it is absent: they will not pull lazily. */
  annotatedDigest: string | null
  /** Where the TOC's member begins; null: in another image. */
  offsetBytes: number | null
  /** The blob that is the TOC where it is in another image. */
  externalDigest: Digest | null
  entries: number
  landmark: 'prefetch' | 'no-prefetch' | null
  /** Regular files before the landmark, and their content in bytes; 0 without a prefetch landmark. */
  prioritizedFiles: number
  prioritizedBytes: number
  /** Compressed bytes before the landmark. */
  hotZoneBytes: number
}

/** The image of TOCs that are not inside their layers, for the same platform; asked for where there is such a layer. */
export type FindTocs = () => Promise<ResolvedImage | null>

export async function inspectImage(
  content: ContentStore,
  image: ResolvedImage,
  findTocs: FindTocs,
): Promise<Inspection> {
  let tocs: ResolvedImage | null = null
  const findOnce: FindTocs = async () => {
    tocs ??= await findTocs()
    return tocs
  }
  const layers: InspectedLayer[] = []
  for (const [index, layer] of image.manifest.layers.entries())
    layers.push(await inspectLayer(content, layer, index, findOnce))
  return {
    schemaVersion: INSPECTION_SCHEMA_VERSION,
    name: image.name,
    digest: image.root.digest,
    manifestDigest: image.descriptor.digest,
    platform: formatPlatform(image.platform),
    tocImage: tocImage(tocs),
    layers,
  }
}

function tocImage(tocs: ResolvedImage | null): Inspection['tocImage'] {
  return tocs === null ? null : { name: tocs.name, digest: tocs.root.digest }
}

/** What a layer's blob says of its TOC. */
export interface FoundToc {
  toc: LayerToc | undefined
  isExternal: boolean
  /** The blob of an external one. */
  externalDigest: Digest | null
  /** Compressed, of what a client fetches to have it, the footer included; 0 where none is found. */
  tocBytes: number
}

/** @throws {TocError} naming the layer @throws {NotFoundError} the layer, or the blob of its TOC */
export async function findToc(
  content: ContentStore,
  layer: Descriptor,
  findTocs: FindTocs,
): Promise<FoundToc> {
  try {
    return await lookForToc(content, layer, findTocs)
  } catch (cause) {
    if (!(cause instanceof TocError)) throw cause
    throw new TocError(cause.code, `layer ${layer.digest}: ${cause.message}: convert its source again`, {
      cause,
    })
  }
}

async function lookForToc(content: ContentStore, layer: Descriptor, findTocs: FindTocs): Promise<FoundToc> {
  const { sizeBytes } = await content.info(layer.digest)
  const read: ReadAt = (offsetBytes, lengthBytes) =>
    readRange(content, layer.digest, offsetBytes, lengthBytes)
  if (!(await hasExternalToc(read, sizeBytes))) {
    const toc = await readToc(read, sizeBytes)
    const tocBytes = toc === undefined ? 0 : sizeBytes - toc.contentBytes
    return { toc, isExternal: false, externalDigest: null, tocBytes }
  }
  const tocs = await findTocs()
  const external = tocs === null ? undefined : tocLayerOf(tocs.manifest, layer.digest)
  if (external === undefined) return { toc: undefined, isExternal: true, externalDigest: null, tocBytes: 0 }
  const { digest } = external
  const { sizeBytes: tocBytes } = await content.info(digest)
  requireStoredTocBytes(tocBytes)
  const toc = await readExternalToc(await readRange(content, digest, 0, tocBytes), sizeBytes)
  return { toc, isExternal: true, externalDigest: digest, tocBytes }
}

async function inspectLayer(
  content: ContentStore,
  layer: Descriptor,
  index: number,
  findTocs: FindTocs,
): Promise<InspectedLayer> {
  const found = await findToc(content, layer, findTocs)
  const { toc, isExternal } = found
  const format = toc?.format ?? (isExternal ? 'estargz' : await formatOf(content, layer))
  const { digest, mediaType, size } = layer
  return {
    index,
    digest,
    mediaType,
    sizeBytes: size,
    format,
    toc: toc === undefined ? null : inspectToc(layer, toc, found.externalDigest),
    externalToc: isExternal,
  }
}

function inspectToc(layer: Descriptor, found: LayerToc, externalDigest: Digest | null): InspectedToc {
  const { toc, tocOffset, landmark } = found
  const hot = landmark?.kind === 'prefetch' ? toc.entries.slice(0, landmark.index) : []
  const files = hot.filter((entry) => entry.type === 'reg')
  return {
    ...tocDigests(layer, found),
    offsetBytes: tocOffset,
    externalDigest,
    entries: toc.entries.filter((entry) => entry.type !== 'chunk').length,
    landmark: landmark?.kind ?? null,
    prioritizedFiles: files.length,
    prioritizedBytes: files.reduce((sum, entry) => sum + (entry.size ?? 0), 0),
    hotZoneBytes: landmark?.kind === 'prefetch' ? landmark.offset : 0,
  }
}

/** Each dialect trusts its TOC by another annotation. */
export function tocDigests(
  { annotations }: Descriptor,
  { format, tocDigest, frames }: LayerToc,
): Pick<InspectedToc, 'digest' | 'annotatedDigest'> {
  const containers = format === 'zstdchunked-containers' ? frames : undefined
  const key = containers === undefined ? TOC_DIGEST_ANNOTATION : CONTAINERS_ANNOTATION.tocDigest
  return { digest: containers?.compressedTocDigest ?? tocDigest, annotatedDigest: annotations?.[key] ?? null }
}

const MAGIC_BYTES = 4

/** Of a blob without a TOC, by its first bytes. */
export async function formatOf(content: ContentStore, layer: Descriptor): Promise<'gzip' | 'zstd' | 'tar'> {
  if (layer.size < MAGIC_BYTES) return 'tar'
  const head = await readRange(content, layer.digest, 0, MAGIC_BYTES)
  if (isGzip(head)) return 'gzip'
  return isZstd(head) ? 'zstd' : 'tar'
}

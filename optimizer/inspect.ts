/** What a finished image is, layer by layer: from its documents and the ends of its blobs, nothing is unpacked. */
import { isZstd } from '../native/zstd.ts'
import { TOC_DIGEST_ANNOTATION } from './estargz/estargz-format.ts'
import { type LayerToc, type LazyFormat, readToc } from './estargz/reader.ts'
import { CONTAINERS_ANNOTATION } from './estargz/zstd-annotations.ts'
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import { formatPlatform } from './image/platform.ts'
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
  layers: InspectedLayer[]
}

export interface InspectedLayer {
  index: number
  digest: Digest
  mediaType: string
  sizeBytes: number
  format: LazyFormat | 'gzip' | 'zstd' | 'tar'
  /** null for formats without one. */
  toc: InspectedToc | null
}

export interface InspectedToc {
  /** Computed from the blob: of the TOC, in the containers dialect of the compressed TOC. */
  digest: Digest
  /** As the manifest's annotation promises it to clients; null when it is absent: they will not pull lazily. */
  annotatedDigest: string | null
  /** Where the TOC's member begins. */
  offsetBytes: number
  entries: number
  landmark: 'prefetch' | 'no-prefetch' | null
  /** Regular files before the landmark, and their content in bytes; 0 without a prefetch landmark. */
  prioritizedFiles: number
  prioritizedBytes: number
  /** Compressed bytes before the landmark. */
  hotZoneBytes: number
}

export async function inspectImage(content: ContentStore, image: ResolvedImage): Promise<Inspection> {
  const layers: InspectedLayer[] = []
  for (const [index, layer] of image.manifest.layers.entries())
    layers.push(await inspectLayer(content, layer, index))
  return {
    schemaVersion: INSPECTION_SCHEMA_VERSION,
    name: image.name,
    digest: image.root.digest,
    manifestDigest: image.descriptor.digest,
    platform: formatPlatform(image.platform),
    layers,
  }
}

/** The TOC of a layer, or undefined when it has none. @throws {TocError} */
export async function layerToc(content: ContentStore, layer: Descriptor): Promise<LayerToc | undefined> {
  const { sizeBytes } = await content.info(layer.digest)
  return await readToc(
    (offsetBytes, lengthBytes) => readRange(content, layer.digest, offsetBytes, lengthBytes),
    sizeBytes,
  )
}

async function inspectLayer(
  content: ContentStore,
  layer: Descriptor,
  index: number,
): Promise<InspectedLayer> {
  const found = await layerToc(content, layer)
  const format = found?.format ?? (await formatOf(content, layer))
  const { digest, mediaType, size } = layer
  return {
    index,
    digest,
    mediaType,
    sizeBytes: size,
    format,
    toc: found === undefined ? null : inspectToc(layer, found),
  }
}

function inspectToc(layer: Descriptor, found: LayerToc): InspectedToc {
  const { toc, tocOffset, landmark } = found
  const hot = landmark?.kind === 'prefetch' ? toc.entries.slice(0, landmark.index) : []
  const files = hot.filter((entry) => entry.type === 'reg')
  return {
    ...tocDigests(layer, found),
    offsetBytes: tocOffset,
    entries: toc.entries.filter((entry) => entry.type !== 'chunk').length,
    landmark: landmark?.kind ?? null,
    prioritizedFiles: files.length,
    prioritizedBytes: files.reduce((sum, entry) => sum + (entry.size ?? 0), 0),
    hotZoneBytes: landmark?.kind === 'prefetch' ? landmark.offset : 0,
  }
}

/** Each dialect trusts its TOC by another annotation. */
function tocDigests(
  { annotations }: Descriptor,
  { format, tocDigest, frames }: LayerToc,
): Pick<InspectedToc, 'digest' | 'annotatedDigest'> {
  const containers = format === 'zstdchunked-containers' ? frames : undefined
  const key = containers === undefined ? TOC_DIGEST_ANNOTATION : CONTAINERS_ANNOTATION.tocDigest
  return { digest: containers?.compressedTocDigest ?? tocDigest, annotatedDigest: annotations?.[key] ?? null }
}

const MAGIC_BYTES = 4

async function formatOf(content: ContentStore, layer: Descriptor): Promise<'gzip' | 'zstd' | 'tar'> {
  if (layer.size < MAGIC_BYTES) return 'tar'
  const head = await readRange(content, layer.digest, 0, MAGIC_BYTES)
  if (isGzip(head)) return 'gzip'
  return isZstd(head) ? 'zstd' : 'tar'
}

async function readRange(
  content: ContentStore,
  digest: Digest,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of content.read(digest, { offsetBytes, lengthBytes })) pieces.push(piece)
  return Buffer.concat(pieces)
}

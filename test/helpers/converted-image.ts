/**
 * A source image and its conversion, in parts that a test can change before they are stored: blobs, TOC, documents and
 * labels follow each other consistently, so that what is wrong in the end is what the test has made wrong.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { gunzipSync, gzipSync } from 'node:zlib'
import { LAYER_DIGEST_ANNOTATION } from '../../optimizer/convert/toc-image.ts'
import type { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { encodeFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import { chunkEntry, type Toc, TocEntries, type TocEntry } from '../../optimizer/estargz/toc.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { ImageConfig } from '../../optimizer/image/manifest.ts'
import type { Platform } from '../../optimizer/image/platform.ts'
import type { TarEntry } from '../../optimizer/tar/entry.ts'
import { TarIndexer } from '../../optimizer/tar/indexer.ts'
import type { MemoryContentStore } from './memory-store.ts'
import { type TarItem, tarOf } from './tar-language.ts'
import { type ConvertTarOptions, convertTar, decompressed } from './tar-layer.ts'

export const TOC_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest'
export const SIZE_ANNOTATION = 'io.containers.estargz.uncompressed-size'
const CHUNK_BYTES = 4096

export interface ImageParts {
  layers: LayerParts[]
  config: ImageConfig
  /** Fields beside config and layers. */
  manifest: { mediaType: string; annotations?: Record<string, string>; [field: string]: unknown }
  configDescriptor: Partial<Descriptor>
  index: { mediaType: string; annotations?: Record<string, string>; [field: string]: unknown }
  /** Of the manifest, in the index. */
  child: { platform: Platform; annotations?: Record<string, string> }
  /** Last touch on the labels of index, manifest and config, and on those of the layers. */
  labels(of: 'index' | 'manifest' | 'config' | 'layer', labels: Record<string, string>): void
  /** The image of the layers' TOCs where they have them not inside. */
  tocs?: ImageParts
}

export interface LayerParts {
  blob: Buffer
  mediaType: string
  annotations: Record<string, string>
  /** Of `blob`, unless a test says otherwise. */
  diffId?: Digest
  /** Fields of the descriptor that are not the blob's. */
  descriptor?: Partial<Descriptor>
  /** What the store has under the descriptor's digest, when it is not the blob. */
  stored?: Buffer
}

const PLATFORM: Platform = { os: 'linux', architecture: 'amd64' }

function configOf(): ImageConfig {
  return {
    created: '2024-01-01T00:00:00Z',
    ...PLATFORM,
    config: { Env: ['PATH=/bin', 'A=b'], Cmd: ['/bin/sh'], Labels: { 'org.example': 'é' } },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [
      { created_by: 'COPY base' },
      { created_by: 'ENV', empty_layer: true },
      { created_by: 'COPY app' },
    ],
    'org.example.unknown': { kept: [1, null, 'x'] },
  }
}

function partsOf(layers: LayerParts[]): ImageParts {
  return {
    layers,
    config: configOf(),
    manifest: { mediaType: MEDIA_TYPE.ociManifest, annotations: { 'org.example.manifest': 'kept' } },
    configDescriptor: {},
    index: { mediaType: MEDIA_TYPE.ociIndex, annotations: { 'org.example.index': 'kept' } },
    child: { platform: PLATFORM, annotations: { 'org.example.child': 'kept' } },
    labels: () => {},
  }
}

export function sourceParts(layers: readonly (readonly TarItem[])[]): ImageParts {
  return partsOf(
    layers.map((items) => ({
      blob: gzipSync(tarOf(items)),
      mediaType: MEDIA_TYPE.ociLayerGzip,
      annotations: { 'org.example.layer': 'kept' },
    })),
  )
}

/**
 * @param prioritized of each layer
 * @param pool threads that are there already
 * @param options of another format than plain eStargz
 */
export async function convertedParts(
  layers: readonly (readonly TarItem[])[],
  prioritized: readonly string[][],
  pool: CompressionPool,
  options: Pick<ConvertTarOptions, 'dialect' | 'externalToc'> = {},
): Promise<ImageParts> {
  const mediaType = options.dialect === undefined ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayerZstd
  const converted: LayerParts[] = []
  const tocs: LayerParts[] = []
  for (const [index, items] of layers.entries()) {
    const made = await convertTar(tarOf(items), {
      chunkBytes: CHUNK_BYTES,
      prioritized: prioritized[index] ?? [],
      pool,
      ...options,
    })
    const { blob, digest, externalToc } = made
    converted.push({ blob, mediaType, annotations: { 'org.example.layer': 'kept', ...made.annotations } })
    if (externalToc !== undefined)
      tocs.push({ blob: externalToc.bytes, mediaType, annotations: { [LAYER_DIGEST_ANNOTATION]: digest } })
  }
  return { ...partsOf(converted), ...(tocs.length === 0 ? {} : { tocs: partsOf(tocs) }) }
}

/** A copy that can be changed. */
export function copyOf(parts: ImageParts): ImageParts {
  const { labels, layers, tocs, ...documents } = parts
  const copied = layers.map((layer) => ({ ...layer, annotations: { ...layer.annotations } }))
  const copy = { ...structuredClone(documents), layers: copied, labels }
  return tocs === undefined ? copy : { ...copy, tocs: copyOf(tocs) }
}

/** Where the TOC's member begins, read from the footer. */
export function tocOffset(blob: Buffer): number {
  return Number.parseInt(blob.toString('latin1', blob.length - 35, blob.length - 19), 16)
}

/** The blob with another TOC, its footer and annotations as they should be for it. */
export function changeToc(layer: LayerParts, change: (toc: Toc) => void): void {
  const toc = tocOf(layer.blob)
  change(toc)
  replaceToc(layer, Buffer.from(JSON.stringify(toc)))
}

export function replaceToc(layer: LayerParts, json: Buffer): void {
  const offset = tocOffset(layer.blob)
  const content = layer.blob.subarray(0, offset)
  rebuild(layer, content, json)
}

/** The blob with these bytes before the TOC, and this TOC. */
export function rebuild(layer: LayerParts, content: Buffer, json: Buffer): void {
  const toc = gzipSync(Buffer.concat(tocMember([json])))
  layer.blob = Buffer.concat([content, toc, encodeFooter(content.length)])
  layer.annotations[TOC_ANNOTATION] = digestOf(json)
  layer.annotations[SIZE_ANNOTATION] = String(gunzipSync(layer.blob).length)
}

export function tocOf(blob: Buffer): Toc {
  return JSON.parse(gnuTar(blob, ['-xO', 'stargz.index.json']))
}

/** GNU tar on what gzip makes of the blob. */
export function gnuTar(blob: Buffer, args: string[]): string {
  // Its exit status tells of bytes that it passes over.
  const { stdout: tar } = spawnSync('gzip', ['-dcq'], { input: blob, maxBuffer: 1024 ** 3 })
  return execFileSync('tar', [...args, '-f', '-'], { input: tar, encoding: 'latin1', maxBuffer: 1024 ** 3 })
}

/** Writes everything; what the name of the image would point at. */
export function store(content: MemoryContentStore, parts: ImageParts): Descriptor {
  const put = (
    kind: 'index' | 'manifest' | 'config' | 'layer',
    bytes: Buffer,
    labels: Record<string, string>,
  ): { digest: Digest; size: number } => {
    parts.labels(kind, labels)
    return { digest: content.add(bytes, labels), size: bytes.length }
  }
  const diffIds = parts.layers.map(({ blob, diffId }) => diffId ?? digestOf(decompressed(blob)))
  const layers = parts.layers.map(({ blob, mediaType, annotations, descriptor, stored }, index) => {
    const labels = { 'containerd.io/uncompressed': diffIds[index] as string }
    const made = { mediaType, ...put('layer', blob, labels), annotations, ...descriptor }
    if (stored !== undefined) content.blobs.set(made.digest, { bytes: stored, labels })
    return made
  })
  const given = parts.config.rootfs.diff_ids
  const configBytes = json({
    ...parts.config,
    rootfs: { type: 'layers', diff_ids: given.length ? given : diffIds },
  })
  const config = {
    mediaType: MEDIA_TYPE.ociConfig,
    ...put('config', configBytes, {}),
    ...parts.configDescriptor,
  }
  const held = Object.fromEntries(
    layers.map(({ digest }, n) => [`containerd.io/gc.ref.content.l.${n}`, digest]),
  )
  const manifest = put('manifest', json({ schemaVersion: 2, ...parts.manifest, config, layers }), {
    'containerd.io/gc.ref.content.config': config.digest,
    ...held,
  })
  const child = { mediaType: MEDIA_TYPE.ociManifest, ...manifest, ...parts.child }
  const labels = { 'containerd.io/gc.ref.content.m.0': manifest.digest }
  const index = put('index', json({ schemaVersion: 2, ...parts.index, manifests: [child] }), labels)
  return { mediaType: MEDIA_TYPE.ociIndex, ...index }
}

function json(document: object): Buffer {
  return Buffer.from(JSON.stringify(document))
}

/** A layer of exactly these entries, whatever they are: members, TOC and footer around them. */
export function layerOfItems(
  items: readonly TarItem[],
  inToc: (path: string) => boolean = () => true,
): LayerParts {
  const tar = tarOf(items, { zeroBlocks: 0 })
  const entries: TarEntry[] = []
  const indexer = new TarIndexer((entry) => entries.push(entry))
  indexer.push(tar)
  const members: Buffer[] = []
  const toc: TocEntry[] = []
  const tocEntries = new TocEntries()
  let offset = 0
  let start = 0
  const cut = (end: number) => {
    const member = gzipSync(tar.subarray(start, end))
    members.push(member)
    offset += member.length
    start = end
  }
  for (const entry of entries) {
    const { path, name, payloadOffset, payloadBytes } = entry
    if (payloadBytes === 0) {
      if (inToc(path)) toc.push(tocEntries.fromTar(entry))
      continue
    }
    const digest = digestOf(tar.subarray(payloadOffset, payloadOffset + payloadBytes))
    for (let at = 0; at < payloadBytes; at += CHUNK_BYTES) {
      cut(payloadOffset + at)
      const chunk = tar.subarray(payloadOffset + at, payloadOffset + Math.min(at + CHUNK_BYTES, payloadBytes))
      const chunkSize = at + CHUNK_BYTES < payloadBytes ? CHUNK_BYTES : 0
      const content = { offset, innerOffset: 0, chunkSize, chunkDigest: digestOf(chunk) }
      if (!inToc(path)) continue
      if (at === 0) toc.push(tocEntries.fromTar(entry, { ...content, digest }))
      else toc.push(chunkEntry(name.toString(), at, content))
    }
  }
  cut(tar.length)
  const layer = {
    blob: Buffer.alloc(0),
    mediaType: MEDIA_TYPE.ociLayerGzip,
    annotations: { 'org.example.layer': 'kept' },
  }
  rebuild(layer, Buffer.concat(members), Buffer.from(JSON.stringify({ version: 1, entries: toc })))
  return layer
}

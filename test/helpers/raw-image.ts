/** An image of layer tars made by hand, whatever they hold, in either family of media types. For root tests. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { ImageConfig } from '../../optimizer/image/manifest.ts'
import { hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'
import { probePath } from './probe.ts'
import { file, type TarItem, tarOf } from './tar-language.ts'

export interface RawLayer {
  tar: Buffer
  /** Stored uncompressed. */
  plain?: boolean
}

export interface RawImageOptions {
  types?: 'oci' | 'docker'
  /** An index around it, whose first manifest is for another platform. */
  indexed?: boolean
  /** Fields of the config beside platform and diff IDs. */
  config?: Partial<ImageConfig>
}

const TYPES = {
  oci: {
    index: MEDIA_TYPE.ociIndex,
    manifest: MEDIA_TYPE.ociManifest,
    config: MEDIA_TYPE.ociConfig,
    tar: MEDIA_TYPE.ociLayer,
    gzip: MEDIA_TYPE.ociLayerGzip,
  },
  docker: {
    index: MEDIA_TYPE.dockerIndex,
    manifest: MEDIA_TYPE.dockerManifest,
    config: MEDIA_TYPE.dockerConfig,
    tar: MEDIA_TYPE.dockerLayer,
    gzip: MEDIA_TYPE.dockerLayerGzip,
  },
} as const

interface Stores {
  content: ContentStore
  images: ImageStore
}

/** The workload whose every access is known, as /probe. */
export function probeFile(): TarItem {
  return file('probe', readFileSync(probePath()), { mode: 0o755 })
}

/** Writes the image; the content store's lease holds it until its name is there. */
export async function putRawImage(
  { content, images }: Stores,
  name: string,
  layers: readonly RawLayer[],
  { types = 'oci', indexed = false, config = {} }: RawImageOptions = {},
): Promise<void> {
  let target = await putManifest(content, layers, types, { ...hostPlatform(), ...config })
  if (indexed) {
    const other = { os: 'linux', architecture: 's390x' }
    const foreign = [{ tar: tarOf([file('for-another-machine')]) }]
    const manifests = [
      { ...(await putManifest(content, foreign, types, other)), platform: other },
      { ...target, platform: hostPlatform() },
    ]
    const labels = gcLabels('m.', manifests)
    target = await put(content, TYPES[types].index, { schemaVersion: 2, manifests }, labels)
  }
  await images.put({ name, target, labels: {} })
}

async function putManifest(
  content: ContentStore,
  layers: readonly RawLayer[],
  types: 'oci' | 'docker',
  fields: Platform & { [other: string]: unknown },
): Promise<Descriptor> {
  const diffIds = layers.map(({ tar }) => digestOf(tar))
  const document = { ...fields, rootfs: { type: 'layers', diff_ids: diffIds } }
  const config = await put(content, TYPES[types].config, document)
  const descriptors: Descriptor[] = []
  for (const { tar, plain = false } of layers) {
    const bytes = plain ? tar : gzipSync(tar, { level: 1 })
    descriptors.push(await put(content, TYPES[types][plain ? 'tar' : 'gzip'], bytes))
  }
  return await put(
    content,
    TYPES[types].manifest,
    { schemaVersion: 2, mediaType: TYPES[types].manifest, config, layers: descriptors },
    { 'containerd.io/gc.ref.content.config': config.digest, ...gcLabels('l.', descriptors) },
  )
}

function gcLabels(kind: string, descriptors: readonly Descriptor[]): Record<string, Digest> {
  return Object.fromEntries(
    descriptors.map(({ digest }, index) => [`containerd.io/gc.ref.content.${kind}${index}`, digest]),
  )
}

async function put(
  content: ContentStore,
  mediaType: string,
  document: Buffer | object,
  labels: Record<string, string> = {},
): Promise<Descriptor> {
  const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document))
  const digest = digestOf(bytes)
  const writer = await content.writer(`raw-${digest.slice(-16)}`)
  await writer.write(bytes)
  await writer.commit({ digest, sizeBytes: bytes.length, labels })
  return { mediaType, digest, size: bytes.length }
}

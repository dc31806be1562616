/** An image of several platforms, with an attestation where wanted, written by hand into whatever store. */
import { gzipSync } from 'node:zlib'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { Platform } from '../../optimizer/image/platform.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'

export interface PlatformLayers {
  platform: Platform
  /** Plain tars; stored in gzip. */
  layers: Buffer[]
}

/** @param options.attested an attestation of the first platform, as BuildKit stores one */
export async function putPlatforms(
  { content, images }: { content: ContentStore; images: ImageStore },
  name: string,
  platforms: readonly PlatformLayers[],
  { attested = false } = {},
): Promise<void> {
  const manifests: Descriptor[] = []
  for (const { platform, layers } of platforms) {
    const rootfs = { type: 'layers', diff_ids: layers.map((tar) => digestOf(tar)) }
    const config = await put(content, MEDIA_TYPE.ociConfig, { ...platform, rootfs })
    const blobs: Descriptor[] = []
    for (const tar of layers) blobs.push(await put(content, MEDIA_TYPE.ociLayerGzip, gzipSync(tar)))
    manifests.push({ ...(await putManifest(content, config, blobs)), platform })
  }
  if (attested) manifests.push(await putAttestation(content, manifests[0] as Descriptor))
  const labels = gcLabels('m.', manifests)
  const target = await put(content, MEDIA_TYPE.ociIndex, { schemaVersion: 2, manifests }, labels)
  await images.put({ name, target, labels: {} })
}

async function putAttestation(content: ContentStore, { digest }: Descriptor): Promise<Descriptor> {
  const config = await put(content, MEDIA_TYPE.ociConfig, {
    os: 'unknown',
    architecture: 'unknown',
    rootfs: {},
  })
  const statement = await put(content, 'application/vnd.in-toto+json', { subject: [{ digest }] })
  return {
    ...(await putManifest(content, config, [statement])),
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': digest,
    },
  }
}

async function putManifest(
  content: ContentStore,
  config: Descriptor,
  layers: Descriptor[],
): Promise<Descriptor> {
  const labels = { 'containerd.io/gc.ref.content.config': config.digest, ...gcLabels('l.', layers) }
  return await put(content, MEDIA_TYPE.ociManifest, { schemaVersion: 2, config, layers }, labels)
}

function gcLabels(kind: string, descriptors: readonly Descriptor[]): Record<string, string> {
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
  const writer = await content.writer(`put-${digest.slice(-16)}`)
  await writer.write(bytes)
  await writer.commit({ digest, sizeBytes: bytes.length, labels })
  return { mediaType, digest, size: bytes.length }
}

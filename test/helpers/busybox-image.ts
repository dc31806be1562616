/** A small image that can run commands: busybox, and whatever files a test wants, layer by layer. */
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { ContainerConfig, ImageConfig, Manifest } from '../../optimizer/image/manifest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'

/** Path in the image → content; `/` at the end makes a folder, a leading `->` a symlink, else a file of mode 755. */
export type LayerFiles = Record<string, string | Buffer>

export interface TestImage {
  name: string
  manifestDigest: Digest
  manifest: Manifest
  config: ImageConfig
}

const APPLETS = [
  'sh',
  'cat',
  'sleep',
  'echo',
  'id',
  'seq',
  'kill',
  'wget',
  'httpd',
  'nc',
  'hostname',
  'head',
  'tr',
]

/** The files of a layer with busybox and links to it under the names of its applets. */
export function busyboxFiles(): LayerFiles {
  const path = (process.env.PATH ?? '').split(delimiter).concat('/bin')
  const busybox = path
    .map((folder) => join(folder, 'busybox'))
    .map(readIfThere)
    .find((bytes) => bytes !== null)
  if (!busybox) throw new Error('busybox (Debian: busybox-static) is not on PATH: run bin/setup --test')
  const links = APPLETS.map((name) => [`bin/${name}`, '->busybox'])
  const accounts = {
    'etc/': '',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/home/web:/bin/sh\n',
    'etc/group': 'root:x:0:\nweb:x:102:\nlogs:x:103:other,web\n',
  }
  return { 'bin/': '', 'bin/busybox': busybox, ...Object.fromEntries(links), ...accounts, 'tmp/': '' }
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch {
    return null
  }
}

/** Writes the image into the stores; the content store's lease holds it until the image is there. */
export async function putImage(
  stores: { content: ContentStore; images: ImageStore },
  name: string,
  layers: LayerFiles[],
  containerConfig: ContainerConfig,
  change: (parts: { config: ImageConfig; manifest: Manifest }) => void = () => {},
): Promise<TestImage> {
  const tars = await Promise.all(layers.map(layerTar))
  const config: ImageConfig = {
    ...hostPlatform(),
    config: containerConfig,
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
  }
  const blobs = tars.map((tar) => gzipSync(tar, { level: 1 }))
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: descriptor(MEDIA_TYPE.ociConfig, '{}'),
    layers: blobs.map((blob) => descriptor(MEDIA_TYPE.ociLayerGzip, blob)),
  }
  change({ config, manifest })
  const configBytes = JSON.stringify(config)
  manifest.config = descriptor(MEDIA_TYPE.ociConfig, configBytes)
  const manifestBytes = JSON.stringify(manifest)

  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': manifest.config.digest }
  for (const [index, layer] of manifest.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = layer.digest
  for (const blob of [...blobs, configBytes]) await putBlob(stores.content, blob)
  const manifestDigest = await putBlob(stores.content, manifestBytes, labels)
  await stores.images.put({ name, target: descriptor(MEDIA_TYPE.ociManifest, manifestBytes), labels: {} })
  return { name, manifestDigest, manifest, config }
}

function descriptor(mediaType: string, bytes: Uint8Array | string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) }
}

async function putBlob(
  store: ContentStore,
  bytes: Uint8Array | string,
  labels: Record<string, string> = {},
): Promise<Digest> {
  const digest = digestOf(bytes)
  const writer = await store.writer(`test-${digest.slice(-16)}`)
  await writer.write(Buffer.from(bytes))
  await writer.commit({ digest, sizeBytes: Buffer.byteLength(bytes), labels })
  return digest
}

async function layerTar(files: LayerFiles): Promise<Buffer> {
  const archive = pack()
  for (const [path, content] of Object.entries(files)) {
    if (path.endsWith('/')) archive.entry({ name: path, type: 'directory', mode: 0o755 })
    else if (typeof content === 'string' && content.startsWith('->'))
      archive.entry({ name: path, type: 'symlink', linkname: content.slice(2) })
    else archive.entry({ name: path, mode: 0o755 }, content)
  }
  archive.finalize()
  const pieces: Buffer[] = []
  for await (const piece of archive) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Index, manifest and config documents: parsed, checked, never reshaped: unknown fields stay. */
import { PreconditionError } from '../../shared/errors.ts'
import { type Descriptor, isIndexType, isManifestType, MEDIA_TYPE, requireDescriptor } from './descriptor.ts'
import { type Digest, requireDigest } from './digest.ts'

/** @see OCI image spec, manifest.md */
export interface Manifest {
  schemaVersion: 2
  mediaType?: string
  config: Descriptor
  layers: Descriptor[]
  annotations?: Record<string, string>
  [other: string]: unknown
}

/** @see OCI image spec, image-index.md */
export interface Index {
  schemaVersion: 2
  mediaType?: string
  manifests: Descriptor[]
  annotations?: Record<string, string>
  [other: string]: unknown
}

/** @see OCI image spec, config.md */
export interface ImageConfig {
  architecture: string
  os: string
  variant?: string
  config?: ContainerConfig
  rootfs: { type: string; diff_ids: Digest[] }
  [other: string]: unknown
}

export interface ContainerConfig {
  User?: string
  Env?: string[]
  Entrypoint?: string[]
  Cmd?: string[]
  WorkingDir?: string
  StopSignal?: string
  [other: string]: unknown
}

/** A document larger than this is refused unread: a manifest that points elsewhere must not fill the memory. */
export const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024
/** An index may point at an index; deeper nesting than this is refused. */
export const INDEX_DEPTH_MAX = 4

/** A document is not what its media type says. Codes: DOCUMENT_MALFORMED, DOCUMENT_INVALID. */
export class DocumentError extends PreconditionError {}

export function parseIndex(bytes: Uint8Array, where: string): Index {
  const json = parseObject(bytes, where)
  if (!Array.isArray(json.manifests))
    throw new DocumentError('DOCUMENT_INVALID', `${where}: an index needs an array "manifests"`)
  for (const [i, item] of json.manifests.entries()) requireDescriptor(item, `${where}: manifests[${i}]`)
  return json as unknown as Index
}

export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  const json = parseObject(bytes, where)
  if (json.config === undefined || !Array.isArray(json.layers)) {
    throw new DocumentError(
      'DOCUMENT_INVALID',
      `${where}: not an image manifest of schema 2 (it has no config or no layers)`,
    )
  }
  requireDescriptor(json.config, `${where}: config`)
  for (const [i, item] of json.layers.entries()) requireDescriptor(item, `${where}: layers[${i}]`)
  return json as unknown as Manifest
}

export function parseConfig(bytes: Uint8Array, where: string): ImageConfig {
  const json = parseObject(bytes, where)
  const rootfs = json.rootfs as { diff_ids?: unknown } | undefined
  if (!rootfs || !Array.isArray(rootfs.diff_ids))
    throw new DocumentError('DOCUMENT_INVALID', `${where}: the config has no rootfs.diff_ids`)
  for (const [i, item] of rootfs.diff_ids.entries()) requireDigest(item, `${where}: rootfs.diff_ids[${i}]`)
  if (typeof json.os !== 'string' || typeof json.architecture !== 'string') {
    throw new DocumentError('DOCUMENT_INVALID', `${where}: the config names no os or no architecture`)
  }
  requireContainerConfig(json.config, where)
  return json as unknown as ImageConfig
}

function requireContainerConfig(value: unknown, where: string): void {
  if (value === undefined || value === null) return
  const config = value as Record<string, unknown>
  for (const name of ['Env', 'Entrypoint', 'Cmd']) {
    const list = config[name] ?? []
    if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) {
      throw new DocumentError('DOCUMENT_INVALID', `${where}: config.${name} must be an array of strings`)
    }
  }
  for (const name of ['User', 'WorkingDir', 'StopSignal']) {
    if (typeof (config[name] ?? '') !== 'string')
      throw new DocumentError('DOCUMENT_INVALID', `${where}: config.${name} must be a string`)
  }
}

/** Whether a document is an index or a manifest: by media type, else by its fields. */
export function documentKind(descriptor: Descriptor, bytes: Uint8Array): 'index' | 'manifest' {
  if (isIndexType(descriptor.mediaType)) return 'index'
  if (isManifestType(descriptor.mediaType)) return 'manifest'
  const json = parseObject(bytes, descriptor.digest)
  if (Array.isArray(json.manifests)) return 'index'
  if (Array.isArray(json.layers)) return 'manifest'
  throw new DocumentError(
    'DOCUMENT_INVALID',
    `${descriptor.digest} (${descriptor.mediaType}) is neither an image index nor an image manifest`,
  )
}

/** A manifest's layers that are file systems this program can read. Codes of refusal: LAYER_FOREIGN, LAYER_UNSUPPORTED. */
export function requireReadableLayer(layer: Descriptor, index: number): 'tar' | 'gzip' | 'zstd' {
  switch (layer.mediaType) {
    case MEDIA_TYPE.ociLayer:
    case MEDIA_TYPE.dockerLayer:
      return 'tar'
    case MEDIA_TYPE.ociLayerGzip:
    case MEDIA_TYPE.dockerLayerGzip:
      return 'gzip'
    case MEDIA_TYPE.ociLayerZstd:
    case MEDIA_TYPE.dockerLayerZstd:
      return 'zstd'
  }
  const name = `layer ${index} (${layer.digest}) has the media type ${layer.mediaType}`
  if (/foreign|nondistributable/.test(layer.mediaType)) {
    throw new PreconditionError(
      'LAYER_FOREIGN',
      `${name}: foreign layers may not be redistributed and are not converted`,
    )
  }
  throw new PreconditionError('LAYER_UNSUPPORTED', `${name}: only tar, gzip and zstd layers are supported`)
}

function parseObject(bytes: Uint8Array, where: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new DocumentError('DOCUMENT_MALFORMED', `${where} is not JSON`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DocumentError('DOCUMENT_MALFORMED', `${where} is not a JSON object`)
  return value as Record<string, unknown>
}

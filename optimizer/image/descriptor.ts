import { PreconditionError } from '../../shared/errors.ts'
import { type Digest, requireDigest } from './digest.ts'
import type { Platform } from './platform.ts'

/** What points at a blob. Fields beyond these are kept as they came. @see OCI image spec, descriptor.md */
export interface Descriptor {
  mediaType: string
  digest: Digest
  /** Length of the blob in bytes. */
  size: number
  annotations?: Record<string, string>
  platform?: Platform
  [other: string]: unknown
}

export const MEDIA_TYPE = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerIndex
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest
}

/** @throws {PreconditionError} DESCRIPTOR_INVALID, DIGEST_INVALID */
export function requireDescriptor(value: unknown, where: string): Descriptor {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(where, 'is not an object')
  const { mediaType, digest, size } = value as Record<string, unknown>
  if (typeof mediaType !== 'string') throw bad(where, 'has no mediaType')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw bad(where, 'has no valid size')
  requireDigest(digest, where)
  return value as Descriptor
}

function bad(where: string, what: string): PreconditionError {
  return new PreconditionError('DESCRIPTOR_INVALID', `${where} ${what}`)
}

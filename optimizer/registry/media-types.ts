import { MEDIA_TYPE } from '../image/descriptor.ts'

/** An index or a manifest, OCI's or docker's. */
export const DOCUMENT_TYPES = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.dockerManifest,
] as const
export const ACCEPTED_DOCUMENTS = DOCUMENT_TYPES.join(', ')

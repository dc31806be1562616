/** How a blob is compressed, and whether its media type says so. */
import { isZstd } from '../../native/zstd.ts'
import { PreconditionError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import { requireReadableLayer } from '../image/manifest.ts'
import { isGzip } from '../tar/gunzip.ts'
import type { Findings } from './difference.ts'

/** Of a blob's first bytes so many tell. */
export const MAGIC_BYTES = 4

/** @param head the blob's first bytes */
export function checkCompression(
  descriptor: Descriptor,
  head: Buffer,
  findings: Findings,
): 'gzip' | 'zstd' | 'tar' {
  const compression = isGzip(head) ? 'gzip' : isZstd(head) ? 'zstd' : 'tar'
  const { digest, mediaType } = descriptor
  if (compressionSaid(descriptor) !== compression)
    findings.add('MEDIA_TYPE', null, `${digest} is ${compression}, its media type is ${mediaType}`)
  return compression
}

function compressionSaid(descriptor: Descriptor): string {
  try {
    return requireReadableLayer(descriptor, 0)
  } catch (error) {
    if (error instanceof PreconditionError) return 'unknown'
    throw error
  }
}

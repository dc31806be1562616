import type { Descriptor } from '../image/descriptor.ts'
import { requireDigest } from '../image/digest.ts'
import type { Descriptor as WireDescriptor } from './generated/types.ts'

/** Of a descriptor's fields containerd knows four; the others do not travel. */
export function toWireDescriptor(descriptor: Descriptor): WireDescriptor {
  const { mediaType, digest, size, annotations } = descriptor
  return { mediaType, digest, size: BigInt(size), annotations: annotations ?? {} }
}

/** @throws {CodedError} DIGEST_INVALID */
export function fromWireDescriptor(wire: WireDescriptor): Descriptor {
  return {
    mediaType: wire.mediaType,
    digest: requireDigest(wire.digest, 'a descriptor from containerd'),
    size: Number(wire.size),
    ...(Object.keys(wire.annotations).length > 0 ? { annotations: wire.annotations } : {}),
  }
}

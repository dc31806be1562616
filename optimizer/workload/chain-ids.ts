/** Names of layers together with all below them. */
import { PreconditionError } from '../../shared/errors.ts'
import { type Digest, digestOf } from '../image/digest.ts'
import type { ImageToUnpack } from './engine.ts'

/**
 * The name of a layer together with all below it.
 * @param diffIds digests of the uncompressed layers, the lowest first
 * @see OCI image spec, config.md, "Layer ChainID"
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`))
  }
  return chain
}

/** @returns of every layer, the lowest first @throws {PreconditionError} LAYERS_MISMATCH */
export function diffIdsOf({ manifest, config }: ImageToUnpack): readonly Digest[] {
  const diffIds = config.rootfs.diff_ids
  if (manifest.layers.length === diffIds.length) return diffIds
  const counts = `${manifest.layers.length} layers, its config ${diffIds.length} diff IDs`
  throw new PreconditionError('LAYERS_MISMATCH', `the image's manifest has ${counts}: it is not sound`)
}

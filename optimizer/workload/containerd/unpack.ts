/** An image's layers unpacked into committed snapshots, as containerd's own clients do and name them. */
import { randomBytes } from 'node:crypto'
import { NotFoundError, PreconditionError } from '../../../shared/errors.ts'
import { AlreadyExistsError, ContainerdError, detailsOf } from '../../containerd/errors.ts'
import type { Descriptor } from '../../image/descriptor.ts'
import type { Digest } from '../../image/digest.ts'
import { chainIds, diffIdsOf } from '../chain-ids.ts'
import type { ImageToUnpack } from '../engine.ts'
import type { ContainerdRun } from '../run.ts'

export interface UnpackRequest extends ImageToUnpack {
  snapshotter: string
  signal?: AbortSignal | undefined
}

/**
 * Unpacks the layers that are not unpacked yet. The snapshots stay, held by a label on the config: the next run of
 * the image, ours or anybody's, finds them.
 *
 * @returns chain ID of the topmost layer, '' for an image without layers
 * @throws {NotFoundError} a layer's blob is not in the content store
 * @throws {PreconditionError} LAYERS_MISMATCH, LAYER_UNPACK_FAILED, DIFF_ID_MISMATCH
 */
export async function unpackImage(run: ContainerdRun, request: UnpackRequest): Promise<Digest | ''> {
  const { manifest, config, snapshotter, signal } = request
  const diffIds = diffIdsOf({ manifest, config })
  const chain = chainIds(diffIds)
  const snapshots = run.containerd.snapshots(snapshotter)
  let unpacked = 0
  for (const [index, name] of chain.entries()) {
    if (await snapshots.exists(name)) continue
    const layer = manifest.layers[index] as Descriptor
    run.log.debug(`unpacking layer ${index} (${layer.digest})`)
    const parent = chain[index - 1] ?? ''
    const diffId = diffIds[index] as Digest
    await unpackLayer(run, { layer, index, diffId, name, parent, snapshotter, signal })
    unpacked++
  }
  if (unpacked > 0) run.log.info(`unpacked ${unpacked} of ${chain.length} layers`)
  const top = chain.at(-1)
  if (top !== undefined)
    await run.containerd.content.setLabels(manifest.config.digest, {
      [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top,
    })
  return top ?? ''
}

interface LayerStep {
  layer: Descriptor
  index: number
  diffId: Digest
  /** Name of the snapshot to be made. */
  name: Digest
  parent: Digest | ''
  snapshotter: string
  signal: AbortSignal | undefined
}

async function unpackLayer(run: ContainerdRun, step: LayerStep): Promise<void> {
  const { layer, index, diffId, name, parent, signal } = step
  const snapshots = run.containerd.snapshots(step.snapshotter)
  const key = `extract-${run.id}-${randomBytes(4).toString('hex')} ${name}`
  const removeActive = run.undo.push(`the snapshot "${key}"`, () => snapshots.remove(key))
  const mounts = await snapshots.prepare(key, parent, run.labels)
  const applied = await run.containerd.diff
    .apply(layer, mounts, signal)
    .catch((error: unknown) => Promise.reject(unpackError(error, index, layer)))
  if (applied !== diffId) {
    throw new PreconditionError(
      'DIFF_ID_MISMATCH',
      `layer ${index} (${layer.digest}) unpacks to ${applied}, the image's config says ${diffId}: the image is not sound`,
    )
  }
  try {
    await snapshots.commit(key, name)
  } catch (error) {
    // Somebody else has unpacked the same layer meanwhile: theirs serves as well.
    if (!(error instanceof AlreadyExistsError)) throw error
  }
  // After a commit there is nothing under the key, and this finds nothing.
  await removeActive()
}

function unpackError(error: unknown, index: number, layer: Descriptor): unknown {
  const name = `layer ${index} (${layer.digest})`
  if (error instanceof NotFoundError)
    return new NotFoundError(
      `${name} is not in containerd's content store: pull the image for this platform`,
      {
        cause: error,
      },
    )
  if (error instanceof ContainerdError && error.code === 'CONTAINERD_ERROR')
    return new PreconditionError('LAYER_UNPACK_FAILED', `${name} cannot be unpacked: ${detailsOf(error)}`, {
      cause: error,
    })
  return error
}

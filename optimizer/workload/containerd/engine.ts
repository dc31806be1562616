/** containerd as what runs a container: its snapshots are the root, its shim is the container's parent. */
import { CodedError } from '../../../shared/errors.ts'
import type { Container, ContainerRequest, Engine, ImageToUnpack, UnpackedImage } from '../engine.ts'
import { requireSamePidNamespace } from '../pid-namespace.ts'
import type { ContainerdRun } from '../run.ts'
import { ContainerdContainer } from './container.ts'
import { unpackImage } from './unpack.ts'

export class ContainerdEngine implements Engine {
  readonly name = 'containerd'
  readonly place: string
  readonly #run: ContainerdRun
  readonly #snapshotter: string

  /** @throws {PreconditionError} PID_NAMESPACE_FOREIGN, PRIVILEGE_MISSING */
  constructor(run: ContainerdRun, snapshotter: string) {
    requireSamePidNamespace(run.containerd.address)
    this.#run = run
    this.#snapshotter = snapshotter
    this.place = snapshotter
  }

  async unpack({ manifest, config }: ImageToUnpack, signal: AbortSignal): Promise<UnpackedImage> {
    const run = this.#run
    const snapshotter = this.#snapshotter
    const top = await unpackImage(run, { manifest, config, snapshotter, signal })
    const snapshots = run.containerd.snapshots(snapshotter)
    return {
      async prepareRoot() {
        run.undo.push(`the snapshot "${run.id}"`, () => snapshots.remove(run.id))
        const mounts = await snapshots.prepare(run.id, top, run.labels)
        if (mounts.length > 0) return mounts
        throw new CodedError(
          'SNAPSHOT_WITHOUT_MOUNTS',
          `the snapshotter ${snapshotter} gave nothing to mount`,
        )
      },
    }
  }

  create(request: ContainerRequest): Promise<Container> {
    const root = { snapshotter: this.#snapshotter, snapshotKey: this.#run.id }
    return ContainerdContainer.create(this.#run, root, request)
  }
}

/** Service Snapshots, of one snapshotter. */
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { SnapshotsService } from './generated/snapshots.ts'
import type { Mount } from './generated/types.ts'

export interface Snapshot {
  key: string
  parent: string
  labels: Record<string, string>
}

/** Removing a large snapshot takes as long as its file system needs. */
const REMOVE_TIMEOUT_SECONDS = 300
/** So does committing one: containerd counts its files. */
const COMMIT_TIMEOUT_SECONDS = 300

export class Snapshots {
  readonly snapshotter: string
  readonly #connection: Connection

  constructor(connection: Connection, snapshotter: string) {
    this.#connection = connection
    this.snapshotter = snapshotter
  }

  /**
   * A writable snapshot on top of a committed one.
   * @param parent '' for an empty one
   * @returns what to mount
   * @throws {AlreadyExistsError} @throws {NotFoundError} no such parent
   */
  async prepare(key: string, parent: string, labels: Record<string, string>): Promise<Mount[]> {
    const { snapshotter } = this
    const request = { snapshotter, key, parent, labels }
    const { mounts } = await this.#connection.unary(SnapshotsService.prepare, request, {
      what: this.#what(key),
    })
    return mounts
  }

  /** @throws {AlreadyExistsError} @throws {NotFoundError} */
  async commit(key: string, name: string): Promise<void> {
    const { snapshotter } = this
    await this.#connection.unary(
      SnapshotsService.commit,
      { snapshotter, name, key, labels: {} },
      { what: this.#what(name), timeoutSeconds: COMMIT_TIMEOUT_SECONDS },
    )
  }

  /** containerd also removes a snapshot that is mounted or in use. @returns false when there was none */
  async remove(key: string): Promise<boolean> {
    const { snapshotter } = this
    const options = { what: this.#what(key), timeoutSeconds: REMOVE_TIMEOUT_SECONDS }
    return await ifFound(this.#connection.unary(SnapshotsService.remove, { snapshotter, key }, options))
  }

  async exists(key: string): Promise<boolean> {
    const { snapshotter } = this
    return await ifFound(
      this.#connection.unary(SnapshotsService.stat, { snapshotter, key }, { what: this.#what(key) }),
    )
  }

  /** Snapshots that have the label, whatever its value; all without a label. */
  async list(label?: string): Promise<Snapshot[]> {
    const filters = label === undefined ? [] : [`labels."${label}"`]
    const request = { snapshotter: this.snapshotter, filters }
    const found: Snapshot[] = []
    const options = { what: `the list of snapshots of ${this.snapshotter}` }
    for await (const { info } of this.#connection.stream(SnapshotsService.list, request, options)) {
      for (const { name, parent, labels } of info) found.push({ key: name, parent, labels })
    }
    return found
  }

  #what(key: string): string {
    return `the snapshot "${key}" of ${this.snapshotter}`
  }
}

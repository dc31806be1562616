/** Service Leases: what is created under a lease is not collected while the lease lives. */
import type { Digest } from '../image/digest.ts'
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { LeasesService } from './generated/leases.ts'

export interface Lease {
  id: string
  labels: Record<string, string>
}

/** A collection that follows a deletion may have much to remove. */
const COLLECTION_TIMEOUT_SECONDS = 300

export class Leases {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** @param expires when containerd drops the lease by itself */
  async create(id: string, labels: Record<string, string>, expires: Date): Promise<void> {
    await this.#connection.unary(
      LeasesService.create,
      { id, labels: { ...labels, 'containerd.io/gc.expire': expires.toISOString() } },
      { what: `the lease ${id}` },
    )
  }

  /** Answers after the garbage collection that follows. @returns false when there was no such lease */
  async delete(id: string): Promise<boolean> {
    const options = { what: `the lease ${id}`, timeoutSeconds: COLLECTION_TIMEOUT_SECONDS }
    return await ifFound(this.#connection.unary(LeasesService.delete, { id, sync: true }, options))
  }

  /** A blob that is there already belongs to this connection's lease as well, if it has one. Whether it is there is not asked. */
  async addBlob(digest: Digest): Promise<void> {
    const { leaseId: id } = this.#connection
    if (id === undefined) return
    const request = { id, resource: { id: digest, type: 'content' } }
    await this.#connection.unary(LeasesService.addResource, request, { what: `the lease ${id}` })
  }

  /** Leases that have the label, whatever its value; all without a label. */
  async list(label?: string): Promise<Lease[]> {
    const filters = label === undefined ? [] : [`labels."${label}"`]
    const what = 'the list of leases'
    const { leases } = await this.#connection.unary(LeasesService.list, { filters }, { what })
    return leases
  }
}

/** Service Namespaces: whose images, containers and leases are kept apart in this containerd. */
import type { Connection } from './connection.ts'
import { NamespacesService } from './generated/namespaces.ts'

export class Namespaces {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async list(): Promise<string[]> {
    const { namespaces } = await this.#connection.unary(
      NamespacesService.list,
      {},
      { what: 'the list of namespaces' },
    )
    return namespaces.map(({ name }) => name).sort()
  }
}

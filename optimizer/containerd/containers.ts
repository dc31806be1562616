/** Service Containers: what a task is made from. Deleting one does not end its task: delete the task first. */
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { ContainersService } from './generated/containers.ts'

const RUNTIME = 'io.containerd.runc.v2'
const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec'

export interface NewContainer {
  id: string
  /** Name of the image, for people. */
  image: string
  labels: Record<string, string>
  snapshotter: string
  snapshotKey: string
  /** OCI runtime spec, as JSON goes. */
  spec: unknown
}

export interface ExistingContainer {
  id: string
  labels: Record<string, string>
  snapshotter: string
}

export class Containers {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** @throws {AlreadyExistsError} */
  async create(container: NewContainer): Promise<void> {
    const { spec, ...fields } = container
    const value = Buffer.from(JSON.stringify(spec))
    await this.#connection.unary(
      ContainersService.create,
      { container: { ...fields, runtime: { name: RUNTIME }, spec: { typeUrl: SPEC_TYPE, value } } },
      { what: `the container ${container.id}` },
    )
  }

  /** @returns false when there was no such container */
  async delete(id: string): Promise<boolean> {
    return await ifFound(
      this.#connection.unary(ContainersService.delete, { id }, { what: `the container ${id}` }),
    )
  }

  /** Containers that have the label, whatever its value; all without a label. */
  async list(label?: string): Promise<ExistingContainer[]> {
    const filters = label === undefined ? [] : [`labels."${label}"`]
    const response = await this.#connection.unary(
      ContainersService.list,
      { filters },
      { what: 'the list of containers' },
    )
    return response.containers.map(({ id, labels, snapshotter }) => ({ id, labels, snapshotter }))
  }
}

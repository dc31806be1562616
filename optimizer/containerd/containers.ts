/** Service Containers: what a task is made from. Deleting one does not end its task: delete the task first. */
import type { Connection } from './connection.ts'
import { ifFound } from './errors.ts'
import { ContainersService } from './generated/containers.ts'
import { RUNC_SHIM, type RuntimeChoice } from './runtime-choice.ts'
import { specJson } from './spec-json.ts'

/** @see containerd, runtime/v2/runc/options/oci.proto */
const RUNC_OPTIONS_TYPE = 'containerd.runc.v1.Options'
const BINARY_NAME_FIELD = 6
const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec'

export interface NewContainer {
  id: string
  /** Name of the image, for people. */
  image: string
  labels: Record<string, string>
  snapshotter: string
  snapshotKey: string
  /** OCI runtime spec, as JSON goes; limits may be bigint. */
  spec: unknown
  /** Undefined: runc. */
  runtime?: RuntimeChoice | undefined
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
    const { spec, runtime, ...fields } = container
    const value = Buffer.from(specJson(spec))
    await this.#connection.unary(
      ContainersService.create,
      { container: { ...fields, runtime: runtimeField(runtime), spec: { typeUrl: SPEC_TYPE, value } } },
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

function runtimeField({ shim, program }: RuntimeChoice = { shim: RUNC_SHIM }) {
  if (program === undefined) return { name: shim }
  return {
    name: shim,
    options: { typeUrl: RUNC_OPTIONS_TYPE, value: stringField(BINARY_NAME_FIELD, program) },
  }
}

/** A message of one string. @see protobuf's encoding: tag, length as a varint, bytes */
function stringField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text)
  const length: number[] = []
  let rest = bytes.length
  for (; rest > 0x7f; rest >>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length, rest]), bytes])
}

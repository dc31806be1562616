/** Service Diff: layers into file systems. */
import type { Descriptor } from '../image/descriptor.ts'
import { type Digest, requireDigest } from '../image/digest.ts'
import type { Connection } from './connection.ts'
import { toWireDescriptor } from './descriptor.ts'
import { DiffService } from './generated/diff.ts'
import type { Mount } from './generated/types.ts'

/** A layer of many gigabytes on a slow disk. */
const APPLY_TIMEOUT_SECONDS = 3600

export class Diff {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Unpacks a layer of the content store. @returns digest of the uncompressed layer */
  async apply(layer: Descriptor, mounts: Mount[], signal?: AbortSignal): Promise<Digest> {
    const what = `unpacking the layer ${layer.digest}`
    const { applied } = await this.#connection.unary(
      DiffService.apply,
      { diff: toWireDescriptor(layer), mounts },
      { what, timeoutSeconds: APPLY_TIMEOUT_SECONDS, signal },
    )
    return requireDigest(applied?.digest, what)
  }
}

/** A containerd: its services in one namespace, over one channel. */
import { Connection } from './connection.ts'
import { Containers } from './containers.ts'
import { Content } from './content.ts'
import { Diff } from './diff.ts'
import { VersionService } from './generated/version.ts'
import { Images } from './images.ts'
import { Introspection } from './introspection.ts'
import { Leases } from './leases.ts'
import { Namespaces } from './namespaces.ts'
import { Snapshots } from './snapshots.ts'
import { Tasks } from './tasks.ts'

export class Containerd {
  /** Path of the socket. */
  readonly address: string
  readonly namespace: string
  /** containerd's own version. */
  readonly version: string
  /** Whether blobs may be read and written in its files where these are on this machine. */
  readonly directContent: boolean
  readonly content: Content
  readonly images: Images
  readonly leases: Leases
  readonly containers: Containers
  readonly tasks: Tasks
  readonly diff: Diff
  readonly introspection: Introspection
  readonly namespaces: Namespaces
  readonly #connection: Connection

  private constructor(connection: Connection, version: string, directContent: boolean) {
    this.#connection = connection
    this.address = connection.address
    this.namespace = connection.namespace
    this.version = version
    this.directContent = directContent
    this.content = new Content(connection)
    this.images = new Images(connection)
    this.leases = new Leases(connection)
    this.containers = new Containers(connection)
    this.tasks = new Tasks(connection)
    this.diff = new Diff(connection)
    this.introspection = new Introspection(connection)
    this.namespaces = new Namespaces(connection)
  }

  /**
   * @param address path of the socket
   * @throws {ContainerdUnavailableError} when nothing answers there
   * @throws {UsageError} NAMESPACE_INVALID
   */
  static async connect(
    address: string,
    namespace: string,
    options: { directContent?: boolean } = {},
  ): Promise<Containerd> {
    const connection = Connection.open(address, namespace)
    try {
      const { version } = await connection.unary(VersionService.version, {}, { what: 'the version' })
      return new Containerd(connection, version, options.directContent ?? true)
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** The same channel; what is created through it belongs to the lease. */
  underLease(leaseId: string): Containerd {
    return new Containerd(this.#connection.underLease(leaseId), this.version, this.directContent)
  }

  imagesOf(namespace: string): Images {
    return new Images(this.#connection.inNamespace(namespace))
  }

  snapshots(snapshotter: string): Snapshots {
    return new Snapshots(this.#connection, snapshotter)
  }

  /** Ends the channel, for every view of it. */
  close(): void {
    this.#connection.close()
  }
}

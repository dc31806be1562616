/** A TCP proxy in front of a registry, as slow as a network in both directions, that counts the bytes of both. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Link, type LinkSpeed } from './link.ts'

/** Pieces in which a connection asks the link for its turn. */
const PIECE_BYTES = 16 * 1024

export class TwoWayLink {
  /** From the registry, and to it, since the last `reset`. */
  downBytes = 0
  upBytes = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(registryPort: number, speed: LinkSpeed | null) {
    const [down, up] = [new Link(speed), new Link(speed)]
    this.#server = createServer({ noDelay: true }, (client) => {
      // What a client sends at once has waited for the answer to its SYN.
      const registry = connect({ port: registryPort, host: '127.0.0.1', noDelay: true })
      for (const socket of [client, registry]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.once('close', () => this.#sockets.delete(socket))
      }
      pass(client, registry, up, 3, (bytes) => {
        this.upBytes += bytes
      })
      pass(registry, client, down, 1, (bytes) => {
        this.downBytes += bytes
      })
    })
  }

  /** Listens on a free port of 127.0.0.1. @param speed null: counts only */
  static async start(registryPort: number, speed: LinkSpeed | null): Promise<TwoWayLink> {
    const link = new TwoWayLink(registryPort, speed)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  get port(): number {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  }

  reset(): void {
    this.downBytes = 0
    this.upBytes = 0
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** @param firstTrips one-way trips that the first bytes take; all others take one */
function pass(
  from: Socket,
  to: Socket,
  link: Link,
  firstTrips: number,
  count: (bytes: number) => void,
): void {
  let trips = firstTrips
  const closed = once(to, 'close').catch(() => {})
  const all = async () => {
    for await (const bytes of from as AsyncIterable<Buffer>)
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        const piece = bytes.subarray(start, start + PIECE_BYTES)
        if (trips > 1) await link.travel(trips - 1)
        trips = 1
        await link.send(piece.length)
        count(piece.length)
        link.later(1, () => to.write(piece))
        if (to.writableNeedDrain) await Promise.race([once(to, 'drain'), closed])
      }
    link.later(1, () => to.end())
  }
  all().catch(() => to.destroy())
}

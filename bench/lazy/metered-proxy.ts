/**
 * An HTTP proxy in front of a registry that counts what passes and, where asked, is as slow as a network: requests
 * and answers take half a round trip each, a new connection a whole one, and all answers share one rate.
 * TCP's slow start, losses and the size of requests are left out.
 */
import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { Link, type LinkSpeed } from './link.ts'

/** A request as it came; times are of performance.now(). */
export interface WireRequest {
  method: string
  path: string
  /** The Range header: `bytes=0-1023`. */
  range: string | undefined
  atMs: number
  /** 0 until the registry has answered. */
  status: number
  /** Of the body, so far. */
  bodyBytes: number
}

/** Pieces in which an answer asks the link for its turn. */
const PIECE_BYTES = 16 * 1024
/** Longer than any sample: it is the client who decides when a connection ends. */
const KEEP_ALIVE_MS = 10 * 60 * 1000

export class MeteredProxy {
  /** In the order in which they came. */
  requests: WireRequest[] = []
  readonly #server: Server
  readonly #registryPort: number
  readonly #link: Link
  readonly #agent = new Agent({ keepAlive: true })
  readonly #sockets = new Set<Socket>()
  #newSockets = new WeakSet<Socket>()
  /** Sent on connections that have ended. */
  #endedBytes = 0

  private constructor(registryPort: number, link: Link) {
    this.#registryPort = registryPort
    this.#link = link
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
      // A client that ends in the middle has what it wanted.
      this.#forward(incoming, outgoing).catch(() => outgoing.destroy())
    })
    this.#server.on('connection', (socket: Socket) => this.#meter(socket))
  }

  /** Listens on a free port of 127.0.0.1. @param speed null: counts only */
  static async start(registryPort: number, speed: LinkSpeed | null): Promise<MeteredProxy> {
    const proxy = new MeteredProxy(registryPort, new Link(speed))
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  }

  /** Sent to clients since the start, headers included. */
  get bytes(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.bytesWritten, this.#endedBytes)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    this.#agent.destroy()
    await once(this.#server, 'close')
  }

  #meter(socket: Socket): void {
    this.#sockets.add(socket)
    this.#newSockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#endedBytes += socket.bytesWritten
    })
  }

  async #forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers, socket } = incoming
    const wire: WireRequest = {
      ...{ method, path, range: headers.range },
      ...{ atMs: performance.now(), status: 0, bodyBytes: 0 },
    }
    this.requests.push(wire)
    await this.#link.travel(this.#newSockets.delete(socket) ? 3 : 1)
    const answer = await this.#ask(incoming)
    wire.status = answer.statusCode ?? 0
    const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...kept } = answer.headers
    const closed = once(outgoing, 'close').then(() => answer.destroy())
    this.#link.later(1, () => outgoing.writeHead(wire.status, kept).flushHeaders())
    for await (const bytes of answer as AsyncIterable<Buffer>)
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        const piece = bytes.subarray(start, start + PIECE_BYTES)
        await this.#link.send(piece.length)
        wire.bodyBytes += piece.length
        this.#link.later(1, () => outgoing.write(piece))
        if (outgoing.writableNeedDrain) await Promise.race([drained(outgoing), closed])
      }
    this.#link.later(1, () => outgoing.end())
  }

  async #ask(incoming: IncomingMessage): Promise<IncomingMessage> {
    const { method, url, headers } = incoming
    const { connection: _, ...kept } = headers
    const asked = request({
      ...{ host: '127.0.0.1', port: this.#registryPort, agent: this.#agent },
      ...{ method, path: url, headers: kept },
    })
    incoming.pipe(asked)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    return answer
  }
}

async function drained(outgoing: ServerResponse): Promise<void> {
  await new Promise((resolve) => {
    outgoing.once('drain', resolve)
  })
}

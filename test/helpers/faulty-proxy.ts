/** An HTTP proxy in front of a real registry that does what networks do: it answers for it, or breaks off. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'

export interface ProxyFault {
  /** Of `METHOD /path`; used once, in the order of the list. */
  on: RegExp
  does:
    | { kind: 'answer'; status: number; headers?: Record<string, string> }
    | { kind: 'cut the answer'; afterBytes: number }
    | { kind: 'cut the request'; afterBytes: number }
}

export class FaultyProxy {
  faults: ProxyFault[] = []
  /** `METHOD /path` and, of parts, the range. */
  calls: string[] = []
  readonly #server: Server
  readonly #port: number

  private constructor(port: number) {
    this.#port = port
    this.#server = createServer((incoming, outgoing) => {
      this.#forward(incoming, outgoing).catch(() => outgoing.destroy())
    })
  }

  /** @param port of the registry, on 127.0.0.1 */
  static async start(port: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const call = `${incoming.method} ${incoming.url}`
    this.calls.push(incoming.headers.range === undefined ? call : `${call} ${incoming.headers.range}`)
    const at = this.faults.findIndex(({ on }) => on.test(call))
    const [fault] = at < 0 ? [] : this.faults.splice(at, 1)
    if (fault?.does.kind === 'answer') {
      incoming.resume()
      outgoing.writeHead(fault.does.status, fault.does.headers).end()
      return
    }
    const { socket } = incoming
    const { connection: _, ...headers } = incoming.headers
    const asked = request({
      ...{ host: '127.0.0.1', port: this.#port, agent: false as const },
      ...{ method: incoming.method, path: incoming.url, headers },
    })
    const answered = once(asked, 'response') as Promise<[IncomingMessage]>
    answered.catch(() => {})
    const cutRequest =
      fault?.does.kind === 'cut the request' ? fault.does.afterBytes : Number.POSITIVE_INFINITY
    let sent = 0
    for await (const piece of incoming as AsyncIterable<Buffer>) {
      asked.write(piece.subarray(0, cutRequest - sent))
      sent += piece.length
      if (sent < cutRequest) continue
      // What has been written so far arrives; then the connection is gone.
      await new Promise((resolve) => asked.write('', resolve))
      asked.destroy()
      socket.destroy()
      return
    }
    asked.end()
    const [answer] = await answered
    outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
    const cutAnswer = fault?.does.kind === 'cut the answer' ? fault.does.afterBytes : Number.POSITIVE_INFINITY
    let given = 0
    for await (const piece of answer as AsyncIterable<Buffer>) {
      await new Promise((resolve) => outgoing.write(piece.subarray(0, cutAnswer - given), resolve))
      given += piece.length
      if (given >= cutAnswer) return void outgoing.destroy()
    }
    outgoing.end()
  }
}

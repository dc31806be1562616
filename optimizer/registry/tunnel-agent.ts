/** TLS through an HTTP proxy: the proxy is asked for a tunnel (CONNECT), TLS is spoken with the host behind it. */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent, type AgentOptions, request as httpsRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { StalledError } from './errors.ts'

type Connected = (error: Error | null, stream: Duplex) => void

export class TunnelAgent extends Agent {
  readonly #proxy: URL
  readonly #connectSeconds: number

  /**
   * @param options of TLS with the host
   * @param connectSeconds how long the proxy may take until there is a tunnel
   */
  constructor(proxy: URL, options: AgentOptions, connectSeconds: number) {
    super(options)
    this.#proxy = proxy
    this.#connectSeconds = connectSeconds
  }

  /** Called by Node for each connection that it needs. */
  override createConnection(options: RequestOptions, connected: Connected = () => {}): undefined {
    const host = options.host ?? ''
    const target = `${isIP(host) === 6 ? `[${host}]` : host}:${options.port}`
    const asked = this.#ask(target)
    const failed = (error: Error) => connected(error, undefined as never)
    const late = setTimeout(() => {
      const { host: proxy } = this.#proxy
      asked.destroy(new StalledError(`no tunnel by the proxy ${proxy} in ${this.#connectSeconds} s`))
    }, this.#connectSeconds * 1000)
    asked.once('close', () => clearTimeout(late))
    asked.once('error', failed)
    asked.once('connect', ({ statusCode }: IncomingMessage, socket: Socket) => {
      clearTimeout(late)
      if (statusCode === 200) {
        const { path: _, ...tls } = options as ConnectionOptions
        connected(null, connect({ ...tls, ...(isIP(host) === 0 ? { servername: host } : {}), socket }))
        return
      }
      socket.destroy()
      failed(new Error(`the proxy ${this.#proxy.host} answered ${statusCode} when asked for ${target}`))
    })
    asked.end()
  }

  #ask(target: string): ClientRequest {
    const { protocol, hostname, port } = this.#proxy
    const request = protocol === 'https:' ? httpsRequest : httpRequest
    return request({
      ...{ method: 'CONNECT', path: target, agent: false },
      ...{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port || (protocol === 'https:' ? 443 : 80) },
      headers: { host: target, ...proxyAuthorization(this.#proxy) },
    })
  }
}

/** As it is in the proxy's URL. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` }
}

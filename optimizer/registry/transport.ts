/** One HTTP request and its answer: TLS, proxies, redirects, time limits. Nothing here knows what is asked. */
import { once } from 'node:events'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { invalidAnswer, StalledError } from './errors.ts'
import { proxyFor } from './proxy.ts'
import type { RegistryLimits } from './settings.ts'
import { proxyAuthorization, TunnelAgent } from './tunnel-agent.ts'

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: URL
  headers?: Record<string, string>
  body?: HttpBody
  /** How long the answer may take once everything is sent; the stall limit where it is absent. */
  answerSeconds?: number
  /** Its body is for this origin alone: a redirect that leads to another one is the answer. */
  sameOrigin?: boolean
  signal?: AbortSignal
}

export interface HttpBody {
  /** null: not known before its end. */
  sizeBytes: number | null
  /** From the beginning, each time it is sent. */
  read(): AsyncIterable<Uint8Array>
}

export interface HttpAnswer {
  status: number
  header(name: string): string | undefined
  /** To be read to its end, or dropped. */
  body: AsyncIterable<Buffer>
  drop(): Promise<void>
  /** Where it came from in the end. */
  url: URL
}

/** Of one host. */
export interface HostTls {
  context: SecureContext
  isUnchecked: boolean
}

/** Where connections to one origin come from. */
interface Way {
  agent: HttpAgent
  /** Where requests go that a proxy forwards; null: to the host itself, or through a tunnel. */
  forwarder: URL | null
}

const REDIRECTS_MAX = 5
const REDIRECTS = [301, 302, 303, 307, 308]
/** After these a request is made again as it was, whatever it is. */
const REPEATED = [307, 308]
/** For other hosts: neither what proves who asks, nor what a user sends to this one. */
const KEPT_HEADERS = new Set(['accept', 'range', 'content-type', 'content-range'])
const USER_AGENT = 'hotlayer-optimizer'
/** A rest of an answer up to here is read, so that its connection can be used again. */
const REST_BYTES_MAX = 64 * 1024

export class Transport {
  readonly #limits: RegistryLimits
  readonly #tlsOf: (origin: URL) => HostTls
  readonly #ways = new Map<string, Way>()

  /** @param tlsOf asked once for each host that https is spoken with */
  constructor(limits: RegistryLimits, tlsOf: (origin: URL) => HostTls) {
    this.#limits = limits
    this.#tlsOf = tlsOf
  }

  /**
   * Follows redirects, of what is written those that ask for the same request; to other hosts without credentials.
   * @throws what Node throws, or an error of the code STALLED
   * @throws {RegistryError} REGISTRY_ANSWER_INVALID a redirect that leads nowhere, or out of TLS
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let { url, headers = {} } = request
    for (let hops = 0; ; hops++) {
      const answer = await this.#once({ ...request, url, headers })
      const location = REDIRECTS.includes(answer.status) ? answer.header('location') : undefined
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      if (location === undefined || (!isRead && !REPEATED.includes(answer.status))) return answer
      if (request.sameOrigin === true && !isWithin(location, url)) return answer
      await answer.drop()
      if (hops === REDIRECTS_MAX) throw invalidAnswer(`${request.url.host} redirects more than ${hops} times`)
      const next = resolveLocation(location, url)
      if (next.origin !== url.origin)
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT_HEADERS.has(name)))
      url = next
    }
  }

  /** Ends every connection. */
  close(): void {
    for (const { agent } of this.#ways.values()) agent.destroy()
    this.#ways.clear()
  }

  async #once(request: HttpRequest & { headers: Record<string, string> }): Promise<HttpAnswer> {
    const { url, body, signal } = request
    const outgoing = this.#begin(request)
    const stall = this.#limits.stallSeconds
    const watch = new Watch(outgoing, this.#limits.connectSeconds, request.answerSeconds ?? stall)
    const answered = once(outgoing, 'response', signal === undefined ? {} : { signal }) as Promise<
      [IncomingMessage]
    >
    answered.catch(() => {})
    // Of what becomes another protocol there is no answer, nor an error: it would be waited for without end.
    outgoing.once('upgrade', (_, socket) => {
      socket.destroy()
      outgoing.emit(
        'error',
        invalidAnswer(`${url.host} goes on in another protocol, which nobody has asked for`),
      )
    })
    send(outgoing, body).catch((error) => outgoing.destroy(error))
    let incoming: IncomingMessage
    try {
      ;[incoming] = await answered
    } catch (error) {
      outgoing.destroy()
      throw error
    }
    watch.answered(incoming, stall)
    return answerOf(url, outgoing, incoming)
  }

  #begin({
    method,
    url,
    headers,
    body,
    signal,
  }: HttpRequest & { headers: Record<string, string> }): ClientRequest {
    const { agent, forwarder } = this.#way(url)
    const { protocol, hostname, port } = forwarder ?? url
    const request = protocol === 'https:' ? httpsRequest : httpRequest
    const length = body === undefined && method !== 'POST' ? {} : lengthOf(body)
    const options: RequestOptions = {
      method,
      agent,
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port || (protocol === 'https:' ? 443 : 80),
      path: forwarder === null ? `${url.pathname}${url.search}` : url.href,
      headers: {
        ...{ host: url.host, 'user-agent': USER_AGENT, ...length, ...headers },
        ...(forwarder === null ? {} : proxyAuthorization(forwarder)),
      },
      ...(signal === undefined ? {} : { signal }),
    }
    const outgoing = request(options)
    // Whoever waits for the answer is told; later failures are those of the answer's body.
    outgoing.on('error', () => {})
    return outgoing
  }

  #way(url: URL): Way {
    const known = this.#ways.get(url.origin)
    if (known !== undefined) return known
    const way = this.#newWay(url)
    this.#ways.set(url.origin, way)
    return way
  }

  #newWay(url: URL): Way {
    const options = { keepAlive: true, maxSockets: this.#limits.connections }
    const proxy = proxyFor(url, process.env)
    if (url.protocol === 'http:')
      return {
        agent: proxy?.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options),
        forwarder: proxy,
      }
    const { context, isUnchecked } = this.#tlsOf(url)
    const tls = { ...options, secureContext: context, rejectUnauthorized: !isUnchecked }
    return {
      agent: proxy === null ? new HttpsAgent(tls) : new TunnelAgent(proxy, tls, this.#limits.connectSeconds),
      forwarder: null,
    }
  }
}

/**
 * Ends a request on which nothing moves, unless it is we who do not read. Looked at twice, each time after half of the
 * patience: whoever has only just begun to read again finds nothing the first time.
 */
class Watch {
  readonly #outgoing: ClientRequest
  #socket: Socket | undefined
  #incoming: IncomingMessage | undefined
  #seconds: number
  /** What had moved when nothing did; none where something did since. */
  #silentAtBytes: number | undefined

  constructor(outgoing: ClientRequest, connectSeconds: number, answerSeconds: number) {
    this.#outgoing = outgoing
    this.#seconds = answerSeconds
    const onTimeout = () => this.#look()
    outgoing.once('socket', (socket) => {
      this.#socket = socket
      this.#wait(socket.connecting ? connectSeconds : answerSeconds)
      socket.on('timeout', onTimeout)
      if (socket.connecting) socket.once('connect', () => this.#wait(this.#seconds))
    })
    outgoing.once('close', () => {
      this.#socket?.off('timeout', onTimeout)
      this.#socket?.setTimeout(0)
    })
  }

  answered(incoming: IncomingMessage, seconds: number): void {
    this.#incoming = incoming
    this.#seconds = seconds
    this.#wait(seconds)
  }

  #wait(seconds: number): void {
    this.#silentAtBytes = undefined
    this.#socket?.setTimeout(seconds * 500)
  }

  #look(): void {
    const incoming = this.#incoming
    if (incoming !== undefined && (incoming.complete || incoming.readableLength > 0)) {
      this.#wait(this.#seconds)
      return
    }
    const movedBytes = (this.#socket?.bytesRead ?? 0) + (this.#socket?.bytesWritten ?? 0)
    if (this.#silentAtBytes !== movedBytes) {
      this.#silentAtBytes = movedBytes
      // As long as before: it may be the connection that is waited for.
      this.#socket?.setTimeout(this.#socket.timeout ?? 0)
      return
    }
    const error = new StalledError(`nothing came for ${this.#seconds} s`)
    incoming?.destroy(error)
    this.#outgoing.destroy(error)
  }
}

function lengthOf(body: HttpBody | undefined): Record<string, string> {
  if (body?.sizeBytes === null) return { 'transfer-encoding': 'chunked' }
  return { 'content-length': String(body?.sizeBytes ?? 0) }
}

/** Stops where the connection is gone; the answer, or its absence, says why. */
async function send(outgoing: ClientRequest, body: HttpBody | undefined): Promise<void> {
  const closed = once(outgoing, 'close').catch(() => {})
  if (body !== undefined && body.sizeBytes !== 0)
    for await (const piece of body.read()) {
      if (outgoing.destroyed) return
      if (!outgoing.write(piece)) await Promise.race([once(outgoing, 'drain'), closed])
    }
  outgoing.end()
}

function answerOf(url: URL, outgoing: ClientRequest, incoming: IncomingMessage): HttpAnswer {
  const end = () => {
    if (!incoming.complete || !outgoing.writableFinished) outgoing.destroy()
  }
  return {
    status: incoming.statusCode ?? 0,
    url,
    header(name) {
      const value = incoming.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: (async function* () {
      try {
        yield* incoming as AsyncIterable<Buffer>
      } finally {
        end()
      }
    })(),
    async drop() {
      let bytes = 0
      try {
        for await (const piece of incoming as AsyncIterable<Buffer>) {
          bytes += piece.length
          if (bytes > REST_BYTES_MAX) break
        }
      } catch {
        // Nobody wants it.
      }
      end()
    },
  }
}

function isWithin(location: string, { href, origin }: URL): boolean {
  return URL.canParse(location, href) && new URL(location, href).origin === origin
}

/** @throws {RegistryError} REGISTRY_ANSWER_INVALID */
export function resolveLocation(location: string, base: URL): URL {
  const next = URL.canParse(location, base.href) ? new URL(location, base) : null
  if (next === null || !/^https?:$/.test(next.protocol))
    throw invalidAnswer(`${base.host} sends us to ${JSON.stringify(location.slice(0, 200))}, which is no URL`)
  if (base.protocol === 'https:' && next.protocol === 'http:')
    throw invalidAnswer(
      `${base.host} sends us from https to ${next.origin}: where that is a proxy in front of it, let it pass X-Forwarded-Proto`,
    )
  return next
}

/** The whole of a body that must be small. @returns null where it is not */
export async function readSmall(answer: HttpAnswer, bytesMax: number): Promise<Buffer | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of answer.body) {
    bytes += piece.length
    if (bytes > bytesMax) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** One HTTP request and its answer: TLS, proxies, redirects, time limits. Nothing here knows what is asked. */
import type { SecureContext } from 'node:tls'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { invalidAnswer } from './errors.ts'
import { proxyFor } from './proxy.ts'
import type { RegistryLimits } from './settings.ts'

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: URL
  headers?: Record<string, string>
  body?: HttpBody
  /** How long the answer may take once everything is sent; the stall limit where it is absent. */
  answerSeconds?: number
  signal?: AbortSignal
}

export interface HttpBody {
  sizeBytes: number
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

const REDIRECTS_MAX = 5
const REDIRECTS = [301, 302, 303, 307, 308]
/** Not for other hosts: neither what proves who asks, nor what a user sends to this one. */
const KEPT_HEADERS = new Set(['accept', 'range', 'user-agent'])

export class Transport {
  readonly #limits: RegistryLimits
  readonly #tlsOf: (origin: URL) => HostTls
  readonly #dispatchers = new Map<string, Dispatcher>()

  /** @param tlsOf asked once for each host that https is spoken with */
  constructor(limits: RegistryLimits, tlsOf: (origin: URL) => HostTls) {
    this.#limits = limits
    this.#tlsOf = tlsOf
  }

  /**
   * Follows redirects of what is read; to other hosts without credentials.
   * @throws what undici throws
   * @throws {RegistryError} REGISTRY_ANSWER_INVALID a redirect that leads nowhere, or out of TLS
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let { url, headers = {} } = request
    for (let hops = 0; ; hops++) {
      const answer = await this.#once({ ...request, url, headers })
      const location = REDIRECTS.includes(answer.status) ? answer.header('location') : undefined
      if (location === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return answer
      await answer.drop()
      if (hops === REDIRECTS_MAX) throw invalidAnswer(`${request.url.host} redirects more than ${hops} times`)
      const next = resolveLocation(location, url)
      if (next.origin !== url.origin)
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT_HEADERS.has(name)))
      url = next
    }
  }

  async close(): Promise<void> {
    const open = [...this.#dispatchers.values()]
    this.#dispatchers.clear()
    await Promise.all(open.map((dispatcher) => dispatcher.destroy()))
  }

  async #once(request: HttpRequest & { headers: Record<string, string> }): Promise<HttpAnswer> {
    const { method, url, headers, body, signal, answerSeconds = this.#limits.stallSeconds } = request
    const answer = await this.#dispatcher(url).request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      headers: body === undefined ? headers : { ...headers, 'content-length': String(body.sizeBytes) },
      // An empty iterable would be sent in chunks, of which the length says nothing.
      ...(body === undefined ? {} : { body: (body.sizeBytes === 0 ? '' : body.read()) as never }),
      ...(signal === undefined ? {} : { signal }),
      headersTimeout: answerSeconds * 1000,
      bodyTimeout: this.#limits.stallSeconds * 1000,
    })
    const content = answer.body
    return {
      status: answer.statusCode,
      header(name) {
        const value = answer.headers[name]
        return Array.isArray(value) ? value.join(', ') : value
      },
      body: content,
      async drop() {
        // A short rest is read so that the connection can be used again; a long one ends it.
        await content.dump({ limit: 64 * 1024 }).catch(() => {})
      },
      url,
    }
  }

  #dispatcher(url: URL): Dispatcher {
    const known = this.#dispatchers.get(url.origin)
    if (known !== undefined) return known
    const dispatcher = this.#newDispatcher(url)
    this.#dispatchers.set(url.origin, dispatcher)
    return dispatcher
  }

  #newDispatcher(url: URL): Dispatcher {
    const { connectSeconds, connections } = this.#limits
    const tls = url.protocol === 'https:' ? this.#tlsOf(url) : undefined
    const connect = {
      timeout: connectSeconds * 1000,
      ...(tls === undefined ? {} : { secureContext: tls.context, rejectUnauthorized: !tls.isUnchecked }),
    }
    const proxy = proxyFor(url, process.env)
    if (proxy === null) return new Agent({ connect, connections })
    return new ProxyAgent({ uri: proxy, requestTls: connect, connections })
  }
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

/** Calls to one host for one repository: let in, tried again while that may help, told in our words. */
import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../shared/errors.ts'
import { Authorizer } from './authorization.ts'
import type { CredentialSource } from './credentials.ts'
import type { Endpoint } from './endpoints.ts'
import { type Asked, errorOfAnswer, errorOfFailure, isPassingFailure, RegistryError } from './errors.ts'
import type { RegistryLimits } from './settings.ts'
import { type HttpAnswer, type HttpRequest, readSmall, type Transport } from './transport.ts'

export interface Call extends Omit<HttpRequest, 'url'> {
  /** Below the repository: `/manifests/latest`; or where the host has sent us. */
  at: string | URL
  /** For messages. */
  what: string
  /** Statuses that are an answer; all others are thrown. */
  expects: readonly number[]
  /** Repositories to be read besides, of the same registry. */
  from?: readonly string[]
  /** Whoever calls tries again by itself. */
  once?: boolean
}

export interface SessionOptions {
  endpoint: Endpoint
  /** Of the reference: mirrors are told it. */
  registry: string
  repository: string
  action: 'read' | 'write'
  limits: RegistryLimits
  credentials: CredentialSource
  transport: Transport
  signal: AbortSignal
}

const TRY_AGAIN = [408, 425, 429, 500, 502, 503, 504]
const ERROR_BYTES_MAX = 64 * 1024
/** A token may be refused because it is old, and the next because it was for too little. */
const AUTHORIZATIONS_MAX = 3

export class Session {
  readonly options: SessionOptions
  readonly #authorizer: Authorizer

  constructor(options: SessionOptions) {
    this.options = options
    const { endpoint, credentials, transport, repository, signal } = options
    this.#authorizer = new Authorizer({
      base: endpoint.base,
      credentials: () => credentials.of(credentialHost(options), repository, !endpoint.isMirror),
      send: (request) => transport.send({ ...request, signal }),
      asked: () => this.#asked('its token', null, 'GET'),
    })
  }

  get host(): string {
    return this.options.endpoint.base.host
  }

  /** @throws {RegistryError}; {NotFoundError} 404, unless that is expected */
  async call(call: Call): Promise<HttpAnswer> {
    const { limits, signal } = this.options
    const tries =
      call.once === true ? 1 : this.options.endpoint.isMirror ? Math.min(2, limits.tries) : limits.tries
    for (let tried = 1; ; tried++) {
      signal.throwIfAborted()
      const found = await this.#try(call, tried < tries)
      if ('answer' in found) return found.answer
      await delay(found.waitSeconds * 1000 * (found.isAsked ? 1 : 2 ** (tried - 1)), undefined, { signal })
    }
  }

  /** What went wrong on the way, in our words. */
  async explain(error: unknown, what: string, method: HttpRequest['method'] = 'GET'): Promise<unknown> {
    const { signal } = this.options
    if (signal.aborted) return signal.reason
    if (error instanceof CodedError || !(error instanceof Error)) return error
    return errorOfFailure(error, this.#asked(what, null, method))
  }

  async #try(
    call: Call,
    again: boolean,
  ): Promise<{ answer: HttpAnswer } | { waitSeconds: number; isAsked: boolean }> {
    const { limits } = this.options
    let answer: HttpAnswer
    try {
      answer = await this.#authorized(call)
    } catch (error) {
      const passing = error instanceof RegistryError ? error.cause : error
      if (again && isPassingFailure(passing))
        return { waitSeconds: jittered(limits.retrySeconds), isAsked: false }
      throw await this.explain(error, call.what, call.method)
    }
    if (call.expects.includes(answer.status)) return { answer }
    const asked = retryAfterSeconds(answer.header('retry-after'))
    if (again && TRY_AGAIN.includes(answer.status) && (asked ?? 0) <= limits.retryAfterSecondsMax) {
      await answer.drop()
      return asked === null
        ? { waitSeconds: jittered(limits.retrySeconds), isAsked: false }
        : { waitSeconds: asked, isAsked: true }
    }
    const body = await readSmall(answer, ERROR_BYTES_MAX).catch(() => null)
    const about = this.#asked(call.what, await this.#authorizer.user(), call.method)
    throw errorOfAnswer(answer.status, body?.toString('utf8') ?? '', about)
  }

  async #authorized(call: Call): Promise<HttpAnswer> {
    const { endpoint, transport } = this.options
    const { at, what: _, expects: __, from = [], once: ___, headers = {}, ...request } = call
    const url = typeof at === 'string' ? this.#url(at) : at
    // Where a host sends us to another one, that one is told nothing about us.
    const isOwn = url.origin === endpoint.base.origin
    const own = isOwn ? endpoint.headers : {}
    for (let round = 1; ; round++) {
      const authorization = isOwn ? await this.#authorizer.header(this.#scopes(from)) : undefined
      const answer = await transport.send({
        ...request,
        url,
        headers: { ...own, ...headers, ...(authorization === undefined ? {} : { authorization }) },
        signal: request.signal ?? this.options.signal,
      })
      const challenge = answer.header('www-authenticate')
      const isOurs = isOwn && answer.url.origin === url.origin
      if (answer.status !== 401 || challenge === undefined || !isOurs || round === AUTHORIZATIONS_MAX)
        return answer
      if (!(await this.#authorizer.challenged(challenge, authorization))) return answer
      await answer.drop()
    }
  }

  #url(path: string): URL {
    const { endpoint, registry, repository } = this.options
    const url = new URL(`${endpoint.base.href.replace(/\/+$/, '')}/${repository}${path}`)
    if (endpoint.isMirror) url.searchParams.set('ns', registry)
    return url
  }

  #scopes(from: readonly string[]): string[] {
    const { repository, action } = this.options
    const own = `repository:${repository}:${action === 'read' ? 'pull' : 'pull,push'}`
    return [own, ...from.map((other) => `repository:${other}:pull`)]
  }

  #asked(what: string, user: string | null, method: HttpRequest['method']): Asked {
    const { registry, repository } = this.options
    const action = method === 'GET' || method === 'HEAD' ? 'read' : 'write'
    return { host: this.host, repository: `${registry}/${repository}`, what, action, user }
  }
}

/** Under which name people log in: of the registry itself as they write it, of a mirror its own. */
function credentialHost({ endpoint, registry }: SessionOptions): string {
  return endpoint.isMirror ? endpoint.base.host : registry
}

/** Many who were turned away together do not come back together. */
function jittered(seconds: number): number {
  return seconds * (0.75 + Math.random() / 2)
}

/** Seconds, or a date. @returns null where there is none */
export function retryAfterSeconds(header: string | undefined): number | null {
  if (header === undefined) return null
  if (/^\s*\d+\s*$/.test(header)) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000)
}

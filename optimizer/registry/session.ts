/** Calls to one host for one repository: let in, tried again while that may help, told in our words. */
import { CodedError } from '../../shared/errors.ts'
import { Authorizer } from './authorization.ts'
import type { CredentialSource } from './credentials.ts'
import type { Endpoint } from './endpoints.ts'
import { type Asked, errorOfAnswer, errorOfFailure, isPassingFailure, RegistryError } from './errors.ts'
import { backOffSeconds, type Patience, reasonOf, retryAfterSeconds } from './patience.ts'
import type { RegistryLimits } from './settings.ts'
import { type HttpAnswer, type HttpRequest, readSmall, type Transport } from './transport.ts'

export interface Call extends Omit<HttpRequest, 'url'> {
  /** Below the repository: `/manifests/latest`; or where the host has sent us. */
  at: string | URL
  /** For messages. */
  what: string
  /** Statuses that are an answer; all others are thrown. */
  expects: readonly number[]
  /** The same where they come from another host, to which this one has sent us. */
  expectsElsewhere?: readonly number[]
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
  patience: Patience
  signal: AbortSignal
}

const TRY_AGAIN = [408, 425, 429, 500, 502, 503, 504]
/** Where another host can be asked, nobody waits for long. */
const MIRROR_TRIES = 2
const MIRROR_RETRY_AFTER_SECONDS_MAX = 5
const ERROR_BYTES_MAX = 64 * 1024
/** A token may be refused because it is old, and the next because it was for too little. */
const AUTHORIZATIONS_MAX = 3

export class Session {
  readonly options: SessionOptions
  readonly #authorizer: Authorizer

  /** @param authorizer of another session with the same host and repository; else one of its own */
  constructor(options: SessionOptions, authorizer?: Authorizer) {
    this.options = options
    const { endpoint, credentials, transport, repository, signal } = options
    this.#authorizer =
      authorizer ??
      new Authorizer({
        base: endpoint.base,
        credentials: () => credentials.of(credentialHost(options), repository, !endpoint.isMirror),
        send: (request) => transport.send({ ...request, signal }),
        asked: () => this.#asked('its token', null, 'GET'),
      })
  }

  /** With the same host, for what no other can be asked: it is waited for with all patience. */
  alone(): Session {
    const endpoint = { ...this.options.endpoint, hasNext: false }
    return new Session({ ...this.options, endpoint }, this.#authorizer)
  }

  /** The same for as long as somebody wants what it is asked for. */
  until(wanted: AbortSignal): Session {
    const signal = AbortSignal.any([this.options.signal, wanted])
    return new Session({ ...this.options, signal }, this.#authorizer)
  }

  get host(): string {
    return this.options.endpoint.base.host
  }

  /** @throws {RegistryError}; {NotFoundError} 404, unless that is expected */
  async call(call: Call): Promise<HttpAnswer> {
    const { limits, signal } = this.options
    const tries = this.#hasNext(call) ? Math.min(MIRROR_TRIES, limits.tries) : limits.tries
    for (let tried = 1; ; tried++) {
      signal.throwIfAborted()
      const found = await this.#try(call, call.once !== true && tried < tries)
      if ('answer' in found) return found.answer
      await this.pause(found.askedSeconds ?? backOffSeconds(limits, tried), found.why)
    }
  }

  /** Before another try, told where that takes long. @param why of {@link reasonOf} */
  async pause(seconds: number, why: string): Promise<void> {
    const { patience, signal } = this.options
    await patience.wait({ host: this.host, seconds, why, signal })
  }

  #hasNext({ method }: Call): boolean {
    return this.options.endpoint.hasNext && (method === 'GET' || method === 'HEAD')
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
  ): Promise<{ answer: HttpAnswer } | { askedSeconds: number | null; why: string }> {
    const patienceSeconds = Math.min(
      this.options.limits.retryAfterSecondsMax,
      this.#hasNext(call) ? MIRROR_RETRY_AFTER_SECONDS_MAX : Number.POSITIVE_INFINITY,
    )
    let answer: HttpAnswer
    try {
      answer = await this.#authorized(call)
    } catch (error) {
      const passing = again ? passingFailure(error, patienceSeconds) : null
      if (passing !== null) return passing
      throw await this.explain(error, call.what, call.method)
    }
    const { status } = answer
    const isElsewhere = this.#isElsewhere(call, answer)
    if (call.expects.includes(status)) return { answer }
    if (isElsewhere && call.expectsElsewhere?.includes(status)) return { answer }
    const askedSeconds = retryAfterSeconds(answer.header('retry-after'))
    // An address with a signature runs out: the host gives a new one.
    const passes = TRY_AGAIN.includes(status) || (isElsewhere && status === 403)
    if (again && passes && (askedSeconds ?? 0) <= patienceSeconds) {
      await answer.drop()
      return { askedSeconds, why: reasonOf(status, null) }
    }
    const body = await readSmall(answer, ERROR_BYTES_MAX).catch(() => null)
    const about = this.#asked(call.what, await this.#authorizer.user(), call.method)
    if (isElsewhere) about.host = `${answer.url.host}, to which ${this.host} sends us,`
    throw errorOfAnswer(status, body?.toString('utf8') ?? '', about, askedSeconds)
  }

  #isElsewhere({ at }: Call, { url }: HttpAnswer): boolean {
    return url.origin !== (typeof at === 'string' ? this.options.endpoint.base : at).origin
  }

  async #authorized(call: Call): Promise<HttpAnswer> {
    const { endpoint, transport } = this.options
    const { at, from = [], headers = {}, method, body, answerSeconds } = call
    const url = typeof at === 'string' ? this.#url(at) : at
    // Where a host sends us to another one, that one is told nothing about us.
    const isOwn = url.origin === endpoint.base.origin
    const own = isOwn ? endpoint.headers : {}
    for (let round = 1; ; round++) {
      const authorization = isOwn ? await this.#authorizer.header(this.#scopes(from)) : undefined
      const answer = await transport.send({
        method,
        url,
        headers: { ...own, ...headers, ...(authorization === undefined ? {} : { authorization }) },
        ...(body === undefined ? {} : { body }),
        ...(answerSeconds === undefined ? {} : { answerSeconds }),
        signal: call.signal ?? this.options.signal,
      })
      const challenge = answer.header('www-authenticate') ?? ''
      const isOurs = isOwn && answer.url.origin === url.origin
      if (answer.status !== 401 || !isOurs || round === AUTHORIZATIONS_MAX) return answer
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

/** @returns how long to wait before another try, and why; null where that would not mend it */
function passingFailure(
  error: unknown,
  patienceSeconds: number,
): { askedSeconds: number | null; why: string } | null {
  const isOurs = error instanceof RegistryError
  const status = isOurs ? error.status : null
  const askedSeconds = isOurs ? error.retryAfterSeconds : null
  if (status === null) {
    const failure = isOurs ? error.cause : error
    return isPassingFailure(failure) ? { askedSeconds, why: reasonOf(null, failure) } : null
  }
  // It is another server's: an answer to what was asked is returned, whatever its status.
  if (!TRY_AGAIN.includes(status) || (askedSeconds ?? 0) > patienceSeconds) return null
  return { askedSeconds, why: `waits for the server of its tokens, which ${reasonOf(status, null)}` }
}

/** Under which name people log in: of the registry itself as they write it, of a mirror its own. */
function credentialHost({ endpoint, registry }: SessionOptions): string {
  return endpoint.isMirror ? endpoint.base.host : registry
}

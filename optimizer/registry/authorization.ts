/** What one host is shown so that it lets us in: nothing, a password, or tokens that its token server gives. */
import { parseChallenges } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { type Asked, errorOfAnswer, errorOfFailure, RegistryError } from './errors.ts'
import { retryAfterSeconds } from './patience.ts'
import { isLoopback } from './proxy.ts'
import { type HttpAnswer, type HttpRequest, readSmall } from './transport.ts'

export interface AuthorizerOptions {
  /** The host's API. */
  base: URL
  credentials: () => Promise<Credentials | null>
  send: (request: HttpRequest) => Promise<HttpAnswer>
  asked: () => Asked
}

interface BearerServer {
  realm: URL
  service: string
  /** What the host itself has said that it wants to see. */
  scopes: Set<string>
}

interface Token {
  text: string
  /** Of performance.now(). */
  goodUntilMs: number
}

const ANSWER_BYTES_MAX = 1024 * 1024
/** Where a server does not say how long its tokens last. */
const TOKEN_SECONDS = 60
/** Of its time a token is used; clocks and ways differ. */
const TOKEN_SHARE = 0.85
const CLIENT_ID = 'hotlayer-optimizer'

export class Authorizer {
  readonly #options: AuthorizerOptions
  readonly #tokens = new Map<string, Promise<Token>>()
  #bearer: BearerServer | null = null
  #isBasic = false

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  /** Who asks, for messages. */
  async user(): Promise<string | null> {
    const credentials = await this.#options.credentials()
    if (credentials === null) return null
    return credentials.kind === 'password' ? credentials.username : 'the holder of the token'
  }

  /**
   * The header for a request, or undefined where none is known to be wanted.
   * @param scopes `repository:library/alpine:pull`
   */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#isBasic) return basicHeader(await this.#options.credentials())
    const server = this.#bearer
    if (server === null) return undefined
    const credentials = await this.#options.credentials()
    if (credentials?.kind === 'access token') return `Bearer ${credentials.token}`
    const wanted = [...new Set([...scopes, ...server.scopes])].sort()
    const key = wanted.join(' ')
    const last = this.#tokens.get(key)
    const known = await last?.catch(() => undefined)
    if (known !== undefined && known.goodUntilMs > performance.now()) return `Bearer ${known.text}`
    // Whoever comes at the same time waits for the same token.
    const current = this.#tokens.get(key)
    const fresh =
      current !== undefined && current !== last ? current : this.#fetch(server, wanted, credentials)
    this.#tokens.set(key, fresh)
    try {
      return `Bearer ${(await fresh).text}`
    } catch (error) {
      this.#tokens.delete(key)
      throw error
    }
  }

  /**
   * Learns from a 401.
   * @param sent the header that was refused
   * @returns whether another try may succeed; of tokens, a few
   */
  async challenged(challenge: string, sent: string | undefined): Promise<boolean> {
    const challenges = parseChallenges(challenge)
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.realm !== undefined,
    )
    if (bearer !== undefined) {
      const { realm = '', service = '', scope = '' } = bearer.parameters
      this.#bearer ??= { realm: this.#realmUrl(realm), service, scopes: new Set() }
      for (const one of scope.split(' ')) if (one !== '') this.#bearer.scopes.add(one)
      // One that has been refused is old, or was for less than is asked now.
      if (sent !== undefined) this.#tokens.clear()
      return true
    }
    // One that says no more has told us before where its tokens are from.
    if (challenges.length === 0 && this.#bearer !== null && sent !== undefined) {
      this.#tokens.clear()
      return true
    }
    const isBasic = challenges.some(({ scheme }) => scheme === 'basic')
    if (!isBasic || sent !== undefined || (await this.#options.credentials())?.kind !== 'password')
      return false
    this.#isBasic = true
    return true
  }

  /** Credentials are sent there: it must be as safe as the host that names it. */
  #realmUrl(realm: string): URL {
    const { base } = this.#options
    const url = URL.canParse(realm) ? new URL(realm) : null
    if (url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isAsOpen(url, base))))
      return url
    throw new RegistryError(
      'REGISTRY_ANSWER_INVALID',
      `${base.host} names ${JSON.stringify(realm.slice(0, 200))} as the server of its tokens: no password is sent there, it must be https`,
    )
  }

  async #fetch(
    { realm, service }: BearerServer,
    scopes: readonly string[],
    credentials: Credentials | null,
  ): Promise<Token> {
    const asked = { ...this.#options.asked(), host: realm.host, user: await this.user() }
    let answer: HttpAnswer
    let body: Buffer | null
    try {
      answer = await this.#options.send(tokenRequest(realm, service, scopes, credentials))
      body = await readSmall(answer, ANSWER_BYTES_MAX)
    } catch (error) {
      throw error instanceof RegistryError ? error : errorOfFailure(error, asked)
    }
    const { status } = answer
    if (status >= 300 && status < 400 && credentials?.kind === 'identity token')
      throw new RegistryError(
        'REGISTRY_ANSWER_INVALID',
        `${realm.host}, the server of the tokens, sends us elsewhere (${status}): an identity token is shown to nobody else; log in with a password (docker login ${this.#options.base.host}), or use --creds`,
        { status },
      )
    const text = body?.toString('utf8') ?? ''
    if (status === 404)
      throw new RegistryError(
        'REGISTRY_FAILED',
        `${realm.host} gives no tokens at ${realm.pathname} (404), where ${this.#options.base.host} sends us for them: check its address, or ask its owner`,
      )
    if (status !== 200)
      throw errorOfAnswer(status, text, asked, retryAfterSeconds(answer.header('retry-after')))
    return tokenOf(realm, text)
  }
}

/** What stays on this machine may be http, and what goes out in the open already. */
function isAsOpen(realm: URL, base: URL): boolean {
  return isLoopback(realm.hostname) || (base.protocol === 'http:' && !isLoopback(base.hostname))
}

function basicHeader(credentials: Credentials | null): string | undefined {
  if (credentials?.kind !== 'password') return undefined
  const { username, password } = credentials
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function tokenRequest(
  realm: URL,
  service: string,
  scopes: readonly string[],
  credentials: Credentials | null,
): HttpRequest {
  const url = new URL(realm)
  if (credentials?.kind === 'identity token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.token,
      service,
      client_id: CLIENT_ID,
      scope: scopes.join(' '),
    })
    const bytes = Buffer.from(form.toString())
    return {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      sameOrigin: true,
      body: {
        sizeBytes: bytes.length,
        async *read() {
          yield bytes
        },
      },
    }
  }
  if (service !== '') url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const authorization = basicHeader(credentials)
  return { method: 'GET', url, headers: authorization === undefined ? {} : { authorization } }
}

function tokenOf(realm: URL, text: string): Token {
  let json: Record<string, unknown>
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new RegistryError('REGISTRY_ANSWER_INVALID', `${realm.host} gave a token that is not JSON`, {
      cause,
    })
  }
  const token = json?.token || json?.access_token
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new RegistryError('REGISTRY_ANSWER_INVALID', `${realm.host} was asked for a token and gave none`)
  const seconds = Number(json.expires_in)
  const lifeSeconds = seconds > 0 ? Math.min(seconds, 24 * 3600) : TOKEN_SECONDS
  return { text: token, goodUntilMs: performance.now() + lifeSeconds * TOKEN_SHARE * 1000 }
}

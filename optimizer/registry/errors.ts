/** What a registry, or the way to it, answers: as sentences that say what to do. Foreign errors become ours here. */
import { type CodedError, messageOf, NotFoundError, PreconditionError } from '../../shared/errors.ts'

export type RegistryErrorCode =
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_DENIED'
  | 'REGISTRY_BUSY'
  | 'REGISTRY_UNREACHABLE'
  | 'REGISTRY_STALLED'
  | 'REGISTRY_TLS'
  | 'REGISTRY_FAILED'
  | 'REGISTRY_REFUSED'
  | 'REGISTRY_ANSWER_INVALID'
  | 'REGISTRY_CREDENTIALS'
  | 'REGISTRY_CONFIG_INVALID'

export class RegistryError extends PreconditionError {
  /** Of the answer; null where there was none. */
  readonly status: number | null
  /** How long the host asks us to wait; null where it does not say. */
  readonly retryAfterSeconds: number | null

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: { cause?: unknown; status?: number | null; retryAfterSeconds?: number | null } = {},
  ) {
    super(code, message, options)
    this.status = options.status ?? null
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
  }
}

/** What was asked of whom, for the sentence. */
export interface Asked {
  /** Host and port. */
  host: string
  /** `docker.io/library/alpine` */
  repository: string
  /** `manifest 3.20`, `blob sha256:…` */
  what: string
  action: 'read' | 'write'
  /** Who asked; null: nobody in particular. */
  user: string | null
}

/** How much of what a registry says is shown. */
const SAID_CHARACTERS_MAX = 300

/** An answer that is no success. @param body its beginning @param retryAfterSeconds null: it does not say */
export function errorOfAnswer(
  status: number,
  body: string,
  asked: Asked,
  retryAfterSeconds: number | null = null,
): CodedError {
  const { host, repository, what, action, user } = asked
  const said = registryText(body)
  const told = said === '' ? '' : ` (${said})`
  const thing = `${what} of ${repository}`
  const doing = action === 'read' ? 'read' : 'written'
  if (status === 401) {
    const message =
      user === null
        ? `${host} wants to know who asks before ${thing} is ${doing}, or there is no such image${told}: log in (docker login ${host}), or use --creds or --registry-config`
        : `${host} does not let ${user} in: ${thing} cannot be ${doing}${told}; check the password, or log in again (docker login ${host})`
    return new RegistryError('REGISTRY_UNAUTHORIZED', message, { status })
  }
  if (status === 403) {
    const who = user ?? 'anybody who has not logged in'
    const message = `${host} does not allow ${who} that ${thing} is ${doing}${told}: ask its owner for the right, or use another account (--creds)`
    return new RegistryError('REGISTRY_DENIED', message, { status })
  }
  if (status === 404 && action === 'read') return new NotFoundError(notFoundText(thing, host, told))
  if (status === 404) {
    const message = `${host} does not take ${thing}${told}: some registries want a repository to be created before it is written to`
    return new RegistryError('REGISTRY_REFUSED', message, { status })
  }
  const pause = retryAfterSeconds ? `, and asks for a pause of ${Math.ceil(retryAfterSeconds)} s` : ''
  const details = { status, retryAfterSeconds }
  if (status === 429) {
    const message = `${host} has had too many requests${told}${pause}: try again later, or log in, for most registries count by account`
    return new RegistryError('REGISTRY_BUSY', message, details)
  }
  if (status === 400 && /HTTP request to an? HTTPS server/i.test(body)) {
    const message = `${host} speaks TLS, and was asked without it: use --plain-http=false, with --registry-ca FILE where its certificate is of your own`
    return new RegistryError('REGISTRY_TLS', message, { status })
  }
  if (status === 413) {
    const message = `${host} does not take as much as ${thing} in one request${told}: raise its limit, or that of the proxy in front of it (client_max_body_size)`
    return new RegistryError('REGISTRY_REFUSED', message, { status })
  }
  const failed = status >= 500
  const advice = failed ? 'try again later' : 'see what it says'
  return new RegistryError(
    failed ? 'REGISTRY_FAILED' : 'REGISTRY_REFUSED',
    `${host} answered ${status} when ${thing} was to be ${doing}${told}${pause}: ${advice}`,
    details,
  )
}

function notFoundText(thing: string, host: string, told: string): string {
  return `there is no ${thing} in ${host}${told}: check the name and the tag`
}

/**
 * The first error of a registry's answer, or of an object store's, on one line and bounded.
 * @see OCI distribution spec, "Error Codes"; Amazon S3, "Error responses"
 */
export function registryText(body: string): string {
  let text = body
  try {
    const [first] = JSON.parse(body).errors as { code?: unknown; message?: unknown; detail?: unknown }[]
    const parts = [first?.code, first?.message].filter((part) => typeof part === 'string' && part !== '')
    text = parts.join(': ')
  } catch {
    if (/<html|<!doctype/i.test(body)) return ''
    const inStore = ['Code', 'Message'].flatMap(
      (name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? [],
    )
    if (inStore.length > 0) text = inStore.join(': ')
  }
  const line = text
    .replaceAll(/[^\P{C}]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return line.length > SAID_CHARACTERS_MAX ? `${line.slice(0, SAID_CHARACTERS_MAX)}…` : line
}

/** Nothing has moved for too long. */
export class StalledError extends Error {
  readonly code = 'STALLED'
}

/** Of a failure below HTTP: what another try may mend. */
const PASSING = new Set(['EAI_AGAIN', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'STALLED'])

const TLS_CODES =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO|HOSTNAME_MISMATCH)/

/** Node's code of a failure, also where it is in a cause or in one of several. */
export function codeOfFailure(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return inner === undefined ? '' : codeOfFailure(inner)
}

export function isPassingFailure(error: unknown): boolean {
  return PASSING.has(codeOfFailure(error))
}

/** A request that had no answer, or whose answer broke off. */
export function errorOfFailure(cause: unknown, { host, repository, what, action }: Asked): RegistryError {
  const code = codeOfFailure(cause)
  const thing = `${what} of ${repository} could not be ${action === 'read' ? 'read' : 'written'}`
  const said = messageOf(cause) || code
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    const message = `the name of ${host} cannot be resolved, ${thing}: check the spelling, the network, and HTTPS_PROXY`
    return new RegistryError('REGISTRY_UNREACHABLE', message, { cause })
  }
  if (TLS_CODES.test(code)) {
    const message = `no trusted TLS connection to ${host} (${said}), ${thing}: give its authority's certificate with --registry-ca FILE or in /etc/docker/certs.d/${host}, or use --plain-http where it speaks http`
    return new RegistryError('REGISTRY_TLS', message, { cause })
  }
  if (code === 'STALLED') {
    const message = `${host} has been silent for too long (${said}), ${thing}: try again later`
    return new RegistryError('REGISTRY_STALLED', message, { cause })
  }
  const message = `${host} cannot be reached (${said}), ${thing}: check the address, the network, and HTTPS_PROXY`
  return new RegistryError('REGISTRY_UNREACHABLE', message, { cause })
}

export function invalidAnswer(what: string, cause?: unknown): RegistryError {
  return new RegistryError('REGISTRY_ANSWER_INVALID', what, cause === undefined ? {} : { cause })
}

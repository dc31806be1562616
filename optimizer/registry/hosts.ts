/** The hosts of one registry, its mirrors and itself: who is asked, in which order, and what follows where one fails. */
import { type CodedError, NotFoundError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Digest } from '../image/digest.ts'
import { RegistryError, type RegistryErrorCode } from './errors.ts'
import type { Capability } from './hosts-file.ts'
import type { Session } from './session.ts'

/** Where a host fails with one of these, it fails with everything. */
const OUT_OF_REACH: readonly string[] = [
  'REGISTRY_UNREACHABLE',
  'REGISTRY_STALLED',
  'REGISTRY_TLS',
  'REGISTRY_CREDENTIALS',
  'REGISTRY_CONFIG_INVALID',
]

export class Hosts {
  /** As docker names it. */
  readonly registry: string
  readonly #sessions: readonly Session[]
  readonly #log: Log
  /** No other host is asked in its place. */
  readonly #writer: Session | undefined
  /** Not asked again. */
  readonly #outOfReach = new Set<Session>()
  /** What a host has given with other bytes than it should have, and is not asked for again. */
  readonly #distrusted = new Map<Session, Set<Digest>>()
  /** By host, kinds of failures that were told. */
  readonly #told = new Map<Session, Set<string>>()

  constructor(registry: string, sessions: readonly Session[], log: Log) {
    this.registry = registry
    this.#sessions = sessions
    this.#log = log
    const canPush = ({ options }: Session) => options.endpoint.capabilities.includes('push')
    this.#writer = sessions.find(canPush)?.alone()
  }

  /**
   * In the order of asking; the last one is there whatever it has done.
   * @param digest of what it is asked for
   * @throws {RegistryError} REGISTRY_CONFIG_INVALID
   */
  able(capability: Capability, digest?: Digest): Session[] {
    const able = this.#sessions.filter(({ options }) => options.endpoint.capabilities.includes(capability))
    const last = able.pop()
    if (last === undefined) throw this.#noneThatCan(capability)
    const asked = able.filter(
      (session) =>
        !this.#outOfReach.has(session) &&
        (digest === undefined || !this.#distrusted.get(session)?.has(digest)),
    )
    return [...asked, last]
  }

  /**
   * What the first gives that has it.
   * @param read told whether it is the last
   * @throws {NotFoundError} @throws {RegistryError} naming each that was asked
   */
  async first<T>(
    capability: Capability,
    digest: Digest | undefined,
    read: (session: Session, isLast: boolean) => Promise<T>,
  ): Promise<T> {
    const sessions = this.able(capability, digest)
    const failures: CodedError[] = []
    for (const [index, session] of sessions.entries()) {
      const next = sessions[index + 1]
      try {
        return await read(session, next === undefined)
      } catch (error) {
        failures.push(this.failed(session, error, next, digest))
      }
    }
    throw noneGave(failures)
  }

  /**
   * Remembers what a host did, and tells it where another one is asked.
   * @throws what is no failure of a host
   */
  failed(session: Session, error: unknown, next: Session | undefined, digest?: Digest): CodedError {
    const { signal } = session.options
    if (signal.aborted) throw signal.reason
    if (!(error instanceof RegistryError || error instanceof NotFoundError)) throw error
    if (OUT_OF_REACH.includes(error.code)) this.#outOfReach.add(session)
    const isWrong = error.code === 'REGISTRY_ANSWER_INVALID'
    if (isWrong && digest !== undefined) entryOf(this.#distrusted, session).add(digest)
    if (next === undefined) return error
    // Mirrors need not have everything.
    const told = entryOf(this.#told, session)
    const isNews = !(error instanceof NotFoundError) && (isWrong || !told.has(error.code))
    told.add(error.code)
    const text = `${error.message}; ${next.host} is asked instead`
    if (isNews) this.#log.warn(text, { code: error.code })
    else this.#log.debug(text)
    return error
  }

  /** Always the same one: what belongs together is in one place. @throws {RegistryError} REGISTRY_CONFIG_INVALID */
  writer(): Session {
    if (this.#writer === undefined) throw this.#noneThatCan('push')
    return this.#writer
  }

  /**
   * What whoever is asked for attached artifacts is able to, by the API as by the tag in its place: a mirror that resolves
   * other tags may be behind with these.
   * @see containerd, core/remotes/docker/referrers.go
   */
  get listing(): Capability {
    const isTold = this.#sessions.some(({ options }) => options.endpoint.capabilities.includes('referrers'))
    return isTold ? 'referrers' : 'resolve'
  }

  #noneThatCan(capability: Capability): RegistryError {
    return new RegistryError(
      'REGISTRY_CONFIG_INVALID',
      `no host of ${this.registry} has the capability ${capability}: see its hosts.toml`,
    )
  }
}

/** The last one's failure, with those of the others. @param failures of hosts, in the order of asking; one at least */
export function noneGave(failures: readonly CodedError[]): CodedError {
  const last = failures.at(-1) as CodedError
  if (failures.length === 1) return last
  const others = failures.slice(0, -1).map(({ message }) => message)
  const message = `${last.message}. Before it was asked: ${others.join('. ')}`
  if (!(last instanceof RegistryError)) return new NotFoundError(message, { cause: last.cause })
  const { cause, status, retryAfterSeconds } = last
  return new RegistryError(last.code as RegistryErrorCode, message, { cause, status, retryAfterSeconds })
}

function entryOf<Value>(map: Map<Session, Set<Value>>, session: Session): Set<Value> {
  const known = map.get(session) ?? new Set<Value>()
  map.set(session, known)
  return known
}

/** Registries as one run reaches them: connections, tokens and what is known of hosts are shared by all that is asked. */
import { UsageError } from '../../shared/errors.ts'
import { type Log, SILENT_LOG } from '../../shared/log.ts'
import { tlsFrom } from './certificates.ts'
import { CredentialSource } from './credentials.ts'
import { certificatesElsewhere, type Endpoint, endpointsOf } from './endpoints.ts'
import { Hosts } from './hosts.ts'
import { Patience, type Sleep } from './patience.ts'
import { Repository } from './repository.ts'
import { Session } from './session.ts'
import type { RegistrySettings } from './settings.ts'
import { Transport } from './transport.ts'

export interface AccessContext {
  /** Ends whatever is under way. */
  signal?: AbortSignal
  /** Told of hosts that are passed over, and of long waits. */
  log?: Log
  /** How waits are waited; by the clock where it is absent. */
  sleep?: Sleep
}

export class RegistryAccess {
  readonly settings: RegistrySettings
  readonly #log: Log
  readonly #patience: Patience
  readonly #credentials: CredentialSource
  readonly #transport: Transport
  readonly #end = new AbortController()
  readonly #signal: AbortSignal
  readonly #registries = new Set<string>()
  /** By origin: hosts that are meant, not those to which they send us. */
  readonly #endpoints = new Map<string, Endpoint>()

  constructor(settings: RegistrySettings, { signal, log = SILENT_LOG, sleep }: AccessContext = {}) {
    this.settings = settings
    this.#log = log
    this.#patience = new Patience(log, sleep)
    this.#signal = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal])
    this.#credentials = new CredentialSource(settings)
    this.#transport = new Transport(settings.limits, (origin) => {
      const known = this.#endpoints.get(origin.origin)
      return tlsFrom(known?.certificates ?? certificatesElsewhere(origin.host, settings))
    })
  }

  /** @throws {RegistryError} REGISTRY_CONFIG_INVALID @throws {UsageError} CREDENTIALS_AMBIGUOUS */
  repository(registry: string, name: string, action: 'read' | 'write'): Repository {
    this.#registries.add(registry)
    if (this.#registries.size > 1 && this.settings.credentials.has(''))
      throw new UsageError(
        'CREDENTIALS_AMBIGUOUS',
        `--creds does not say for which of ${[...this.#registries].join(' and ')} it is: write --creds HOST=USER:PASSWORD`,
      )
    const sessions = endpointsOf(registry, this.settings).map((endpoint) => {
      if (!this.#endpoints.has(endpoint.base.origin)) this.#endpoints.set(endpoint.base.origin, endpoint)
      const { limits } = this.settings
      return new Session({
        ...{ endpoint, registry, repository: name, action, limits },
        ...{ credentials: this.#credentials, transport: this.#transport },
        ...{ patience: this.#patience, signal: this.#signal },
      })
    })
    return new Repository(new Hosts(registry, sessions, this.#log), name)
  }

  /** Whatever is under way ends. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the access to registries has been closed'))
    this.#transport.close()
  }
}

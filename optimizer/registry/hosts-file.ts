/**
 * containerd's hosts.toml: where a registry's images are fetched from and pushed to in place of the registry.
 *
 * @see containerd, docs/hosts.md
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parse } from 'smol-toml'
import { messageOf, systemCodeOf } from '../../shared/errors.ts'
import type { CertificateFiles } from './certificates.ts'
import { RegistryError } from './errors.ts'

/** The last one is known to later containerds alone. */
export const CAPABILITIES = ['pull', 'resolve', 'push', 'referrers'] as const
export type Capability = (typeof CAPABILITIES)[number]

export interface HostEntry {
  /** Of the API: ends with /v2 unless the file says that its path is all of it. */
  base: URL
  capabilities: readonly Capability[]
  certificates: CertificateFiles
  /** Sent with every request. */
  headers: Record<string, string>
}

export interface HostsFile {
  /** In the order of asking. */
  hosts: HostEntry[]
  /** The registry itself, asked last; null: the file does not say where that is. */
  server: HostEntry | null
  /** How the registry itself is asked, wherever it is. */
  own: HostManner
}

/** How a host is asked. */
export type HostManner = Pick<HostEntry, 'certificates' | 'headers'>

/**
 * @param registry host and port
 * @returns null where no folder has one for it, nor one for all (`_default`)
 * @throws {RegistryError} REGISTRY_CONFIG_INVALID naming file and key
 */
export function readHostsFile(folders: readonly string[], registry: string): HostsFile | null {
  const places = folders.flatMap((folder) =>
    [...hostFolderNames(registry), '_default'].map((name) => join(folder, name)),
  )
  // The first one that is there says all, whatever is in it: one with certificates alone, that there are no mirrors.
  const own = places.find((place) => existsSync(place))
  if (own === undefined) return null
  const path = join(own, 'hosts.toml')
  const text = readIfThere(path)
  return text === undefined ? null : parseHosts(path, text)
}

/** With the port as containerd spells it, then as it is. */
export function hostFolderNames(registry: string): string[] {
  const port = /^(.*):(\d+)$/.exec(registry)
  return port === null ? [registry] : [`${port[1]}_${port[2]}_`, registry]
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = systemCodeOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw invalid(path, `it cannot be read: ${messageOf(cause)}`, cause)
  }
}

function parseHosts(path: string, text: string): HostsFile {
  let document: Record<string, unknown>
  try {
    document = parse(text)
  } catch (cause) {
    throw invalid(path, messageOf(cause).split('\n', 1)[0] as string, cause)
  }
  const { server, host = {}, ...root } = document
  if (typeof host !== 'object' || host === null) throw invalid(path, 'host must be a table')
  const hosts = Object.entries(host).map(([url, table]) => {
    if (typeof table !== 'object' || table === null) throw invalid(path, `host.${url} must be a table`)
    return entryOf(path, url, table as Record<string, unknown>)
  })
  const own = mannerOf(path, root)
  if (server === undefined || server === '') return { hosts, server: null, own }
  if (typeof server !== 'string') throw invalid(path, 'server must be a string')
  return { hosts, server: entryOf(path, server, root), own }
}

function entryOf(path: string, address: string, table: Record<string, unknown>): HostEntry {
  const text = address.includes('://') ? address : `https://${address}`
  // A password that is no part of an address may have anything in it.
  const told = address.replace(/^([a-z]+:\/\/)?.*@/is, '$1')
  if (!URL.canParse(text)) throw invalid(path, `${JSON.stringify(told)} is no address of a host`)
  const base = new URL(text)
  if (!/^https?:$/.test(base.protocol)) throw invalid(path, `${told}: only http and https are spoken`)
  // As containerd does: logins are elsewhere.
  base.username = ''
  base.password = ''
  const prefix = base.pathname.replace(/\/+$/, '')
  base.pathname = table.override_path === true || prefix.endsWith('/v2') ? prefix : `${prefix}/v2`
  return { base, capabilities: capabilitiesOf(path, table.capabilities), ...mannerOf(path, table) }
}

function mannerOf(path: string, table: Record<string, unknown>): HostManner {
  const folder = dirname(path)
  return {
    certificates: {
      ca: strings(path, 'ca', table.ca).map((file) => resolve(folder, file)),
      clients: clientsOf(path, folder, table.client),
      isUnchecked: table.skip_verify === true,
    },
    headers: headersOf(path, table.header),
  }
}

/** Where nothing is said, a host can do everything. */
function capabilitiesOf(path: string, value: unknown): Capability[] {
  const texts = strings(path, 'capabilities', value)
  if (texts.length === 0) return [...CAPABILITIES]
  return texts.map((text) => {
    const known = CAPABILITIES.find((name) => name === text.toLowerCase())
    if (known === undefined)
      throw invalid(path, `${JSON.stringify(text)} is no capability: ${CAPABILITIES.join(', ')}`)
    return known
  })
}

/** One file, several, or pairs of certificate and key. */
function clientsOf(path: string, folder: string, value: unknown): CertificateFiles['clients'] {
  if (value === undefined) return []
  const items = Array.isArray(value) ? value : [value]
  return items.map((item) => {
    const [certificate, key] = strings(path, 'client', item)
    if (certificate === undefined) throw invalid(path, 'client names no file')
    return { certificate: resolve(folder, certificate), key: key ? resolve(folder, key) : null }
  })
}

function headersOf(path: string, value: unknown = {}): Record<string, string> {
  if (typeof value !== 'object' || value === null) throw invalid(path, 'header must be a table')
  return Object.fromEntries(
    Object.entries(value).map(([name, values]) => [
      name.toLowerCase(),
      strings(path, `header.${name}`, values).join(', '),
    ]),
  )
}

function strings(path: string, key: string, value: unknown): string[] {
  if (value === undefined) return []
  const items: unknown[] = Array.isArray(value) ? value : [value]
  return items.map((item) => {
    if (typeof item !== 'string') throw invalid(path, `${key} must be a string or an array of strings`)
    return item
  })
}

function invalid(path: string, what: string, cause?: unknown): RegistryError {
  return new RegistryError(
    'REGISTRY_CONFIG_INVALID',
    `${path}: ${what}`,
    cause === undefined ? {} : { cause },
  )
}

/** From a registry's name to the hosts that are asked: its mirrors, then itself. */
import { type CertificateFiles, certificatesIn, givenCertificates, NO_CERTIFICATES } from './certificates.ts'
import {
  CAPABILITIES,
  type Capability,
  type HostEntry,
  hostFolderNames,
  readHostsFile,
} from './hosts-file.ts'
import { isLoopback } from './proxy.ts'
import type { RegistrySettings } from './settings.ts'

export interface Endpoint {
  /** Of the API, without a slash at its end. */
  base: URL
  capabilities: readonly Capability[]
  headers: Record<string, string>
  certificates: CertificateFiles[]
  /** Of another registry than the one that is meant, which it is told (`ns`). */
  isMirror: boolean
  /** Another one can be asked where this one fails to give something. */
  hasNext: boolean
}

/** docker.io is a name; this is where it lives. */
const HUB = 'docker.io'
const HUB_HOST = 'registry-1.docker.io'

/** @throws {RegistryError} REGISTRY_CONFIG_INVALID */
export function endpointsOf(registry: string, settings: RegistrySettings): Endpoint[] {
  const file = readHostsFile(settings.hostsFolders, registry)
  const own = ownEntry(registry, settings)
  const entries = [...(file?.hosts ?? []), file?.server ?? { ...own, ...file?.own }]
  return entries.map((entry, index) => {
    const isOwn = entry.base.host === own.base.host
    return {
      base: entry.base,
      capabilities: entry.capabilities,
      headers: entry.headers,
      certificates: [
        entry.certificates,
        certificatesOf(isOwn ? [registry, own.base.host] : [entry.base.host], settings),
        isOwn ? givenCertificates(settings) : NO_CERTIFICATES,
      ],
      isMirror: !isOwn,
      hasNext: index + 1 < entries.length,
    }
  })
}

/** Of a host to which we are sent from elsewhere: who we are is not told there. */
export function certificatesElsewhere(host: string, settings: RegistrySettings): CertificateFiles[] {
  return [certificatesOf([host], settings), givenCertificates(settings)].map((files) => ({
    ...files,
    clients: [],
  }))
}

function certificatesOf(hosts: readonly string[], settings: RegistrySettings): CertificateFiles {
  const folders = [...settings.hostsFolders, ...settings.certificateFolders]
  return certificatesIn(folders, [...new Set(hosts.flatMap(hostFolderNames))])
}

function ownEntry(registry: string, settings: RegistrySettings): HostEntry {
  const host = registry === HUB ? HUB_HOST : registry
  const scheme = isPlain(registry, settings) ? 'http' : 'https'
  return {
    base: new URL(`${scheme}://${host}/v2`),
    capabilities: CAPABILITIES,
    certificates: NO_CERTIFICATES,
    headers: {},
  }
}

/** A registry on this machine's loopback speaks http unless somebody has certificates for it; Docker Hub never does. */
function isPlain(registry: string, settings: RegistrySettings): boolean {
  if (registry === HUB) return false
  if (settings.plainHttp !== null) return settings.plainHttp
  if (!isLoopback(registry.replace(/:\d+$/, '')) || registry.endsWith(':443')) return false
  const { caFile, certFile } = settings.tls
  const found = certificatesOf([registry], settings)
  return caFile === null && certFile === null && found.ca.length === 0 && found.clients.length === 0
}

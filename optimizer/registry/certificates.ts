/** Whom to trust, and who we are: certificates from options, and from the folders where docker, podman and containerd look. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, rootCertificates } from 'node:tls'
import { messageOf, systemCodeOf } from '../../shared/errors.ts'
import { RegistryError } from './errors.ts'
import type { RegistrySettings } from './settings.ts'
import type { HostTls } from './transport.ts'

/** Files of one host, PEM. */
export interface CertificateFiles {
  ca: readonly string[]
  /** In pairs; null: both are in one file. */
  clients: readonly { certificate: string; key: string | null }[]
  isUnchecked: boolean
}

/** The bundle of the machine, which knows an authority of one's own once it is installed. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
]

export const NO_CERTIFICATES: CertificateFiles = { ca: [], clients: [], isUnchecked: false }

/**
 * @param names folders of the host: `registry.example:5000`
 * @see docker docs, "Verify repository client with certificates"; containers-certs.d(5)
 */
export function certificatesIn(folders: readonly string[], names: readonly string[]): CertificateFiles {
  const ca: string[] = []
  const clients: { certificate: string; key: string }[] = []
  for (const folder of folders)
    for (const name of names) {
      const files = filesOf(join(folder, name))
      ca.push(...files.filter((file) => file.endsWith('.crt')))
      for (const certificate of files.filter((file) => file.endsWith('.cert'))) {
        const key = `${certificate.slice(0, -'.cert'.length)}.key`
        if (!files.includes(key)) throw configInvalid(`there is no ${key}, which ${certificate} needs`)
        clients.push({ certificate, key })
      }
    }
  return { ca, clients, isUnchecked: false }
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name))
  } catch (cause) {
    const code = systemCodeOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw configInvalid(`cannot look into ${folder}: ${messageOf(cause)}`, cause)
  }
}

/** Those that options name. */
export function givenCertificates({ tls }: Pick<RegistrySettings, 'tls'>): CertificateFiles {
  const { caFile, certFile, keyFile } = tls
  return {
    ca: caFile === null ? [] : [caFile],
    clients: certFile === null ? [] : [{ certificate: certFile, key: keyFile }],
    isUnchecked: false,
  }
}

/** @throws {RegistryError} REGISTRY_CONFIG_INVALID naming the file */
export function tlsFrom(sources: readonly CertificateFiles[]): HostTls {
  const ca = sources.flatMap((source) => source.ca)
  const [client] = sources.flatMap((source) => source.clients)
  const files = [...ca, ...(client === undefined ? [] : [client.certificate, client.key ?? ''])].filter(
    Boolean,
  )
  try {
    const certificate = client === undefined ? undefined : pem(client.certificate)
    const context = createSecureContext({
      ca: [...trustedByTheMachine(), ...ca.map(pem)],
      ...(client === undefined
        ? {}
        : { cert: certificate, key: client.key === null ? certificate : pem(client.key) }),
    })
    return { context, isUnchecked: sources.some(({ isUnchecked }) => isUnchecked) }
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause
    throw configInvalid(`certificates cannot be used (${files.join(', ')}): ${messageOf(cause)}`, cause)
  }
}

function trustedByTheMachine(): string[] {
  const { SSL_CERT_FILE: named, NODE_EXTRA_CA_CERTS: extra } = process.env
  const bundle = named || SYSTEM_BUNDLES.find((path) => existsSync(path))
  const texts = [bundle, extra].flatMap((path) => (path ? [pem(path)] : []))
  return bundle === undefined ? [...rootCertificates, ...texts] : texts
}

function pem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw configInvalid(`cannot read ${path}: ${messageOf(cause)}`, cause)
  }
}

function configInvalid(what: string, cause?: unknown): RegistryError {
  return new RegistryError('REGISTRY_CONFIG_INVALID', what, cause === undefined ? {} : { cause })
}

/** /etc/resolv.conf of a container that is attached to a network: what the network says, else the host's. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolvConfText } from '../network-files.ts'
import type { ResolverOptions } from '../spec/container-options.ts'
import type { CniResult } from './attachment.ts'

/** Of the host, and of the container. */
export const RESOLVER_PATH = '/etc/resolv.conf'

/** The file as the container will see it; empty until {@link fillResolver}. */
export function makeResolver(runFolder: string): { source: string; destination: string } {
  const source = resolverPath(runFolder)
  writeFileSync(source, '')
  // Whatever the umask says: the workload need not be root.
  chmodSync(source, 0o644)
  return { source, destination: RESOLVER_PATH }
}

/** In place: the container has the file mounted already. @param asked for lines of their kinds, in place of others */
export function fillResolver(runFolder: string, result: CniResult, asked?: ResolverOptions): void {
  writeFileSync(resolverPath(runFolder), resolvConfText(resolverText(result) ?? hostText(), asked) ?? '')
}

/** @returns null when the network names no name server */
export function resolverText({ dns }: CniResult): string | null {
  if (typeof dns !== 'object' || dns === null) return null
  const { nameservers, domain, search, options } = dns as Record<string, unknown>
  const servers = words(nameservers)
  if (servers.length === 0) return null
  const line = (name: string, values: string[]) =>
    values.length === 0 ? '' : `${name} ${values.join(' ')}\n`
  return [
    ...servers.map((server) => line('nameserver', [server])),
    line('domain', typeof domain === 'string' && domain !== '' ? [domain] : []),
    line('search', words(search)),
    line('options', words(options)),
  ].join('')
}

function words(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string' && word !== '') : []
}

function hostText(): string {
  try {
    return readFileSync(RESOLVER_PATH, 'utf8')
  } catch {
    return ''
  }
}

function resolverPath(runFolder: string): string {
  return join(runFolder, 'resolv.conf')
}

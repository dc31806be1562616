/** The files that a container's network needs, as the run's own copies: /etc/hosts and /etc/resolv.conf. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { systemCodeOf } from '../../shared/errors.ts'
import type { WorkloadOptions } from './options.ts'
import type { HostEntry, ResolverOptions } from './spec/container-options.ts'

/** The name a workload sees as its own; fixed, for it may end up in what the workload writes. */
export const HOSTNAME = 'hotlayer'

type NetworkOptions = Pick<WorkloadOptions, 'netHost' | 'container'>

/** Text by path in the container. */
export function networkTexts({ netHost, container = {} }: NetworkOptions): Record<string, string> {
  const { hostname = HOSTNAME, hosts = [], resolver } = container
  const texts = {
    '/etc/hosts': hostsText(netHost ? readIfThere('/etc/hosts') : ownHosts(hostname), hosts),
    '/etc/resolv.conf': resolvConfText(netHost ? readIfThere('/etc/resolv.conf') : null, resolver),
  }
  return Object.fromEntries(
    Object.entries(texts).flatMap(([path, text]) => (text === null ? [] : [[path, text]])),
  )
}

/** @returns host files and where the container sees them */
export function networkFiles(
  options: NetworkOptions,
  runFolder: string,
): { source: string; destination: string }[] {
  return Object.entries(networkTexts(options)).map(([destination, text]) => {
    const source = join(runFolder, basename(destination))
    writeFileSync(source, text)
    // Whatever the umask says: the workload need not be root.
    chmodSync(source, 0o644)
    return { source, destination }
  })
}

/** Of a network that is nothing but a loopback. */
function ownHosts(hostname: string): string {
  return `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`
}

/** @returns null where there is nothing to say */
export function hostsText(base: string | null, added: readonly HostEntry[]): string | null {
  if (added.length === 0) return base
  return [...lines(base ?? ''), ...added.map(({ address, name }) => `${address}\t${name}`), ''].join('\n')
}

/** What is asked for replaces all lines of its kind. @returns null where there is nothing to say */
export function resolvConfText(base: string | null, asked: ResolverOptions | undefined): string | null {
  if (asked === undefined) return base
  const { nameservers, searchDomains, options } = asked
  const replaced = new RegExp(
    [
      ...(nameservers.length > 0 ? ['nameserver'] : []),
      ...(searchDomains.length > 0 ? ['search', 'domain'] : []),
      ...(options.length > 0 ? ['options'] : []),
    ]
      .map((word) => `^\\s*${word}\\b`)
      .join('|') || '^(?!)',
  )
  const domains = searchDomains.filter((domain) => domain !== '.')
  return [
    ...lines(base ?? '').filter((line) => !replaced.test(line)),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(domains.length === 0 ? [] : [`search ${domains.join(' ')}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    '',
  ].join('\n')
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** What the workload finds in its resolv.conf and hosts files, as options of every command that runs one. */
import { isIP } from 'node:net'
import type { Argv } from 'yargs'
import type { ContainerOptions, HostEntry } from '../workload/spec/container-options.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { contradiction, invalidOption } from './values.ts'

/** Linux' HOST_NAME_MAX. */
const HOSTNAME = /^(?=.{1,64}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i
/** @see resolv.conf(5) */
const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i
const RESOLVER_OPTION = /^[a-z0-9-]+(?::\d+)?$/
const NAMES = ['dns-nameservers', 'dns-search-domains', 'dns-options'] as const

export function addNetworkOptions(yargs: Argv): Argv {
  const list = { group: 'Workload:', type: 'string', array: true } as const
  return yargs
    .option('hostname', {
      group: 'Workload:',
      type: 'string',
      describe: "the container's host name",
      defaultDescription: 'hotlayer',
    })
    .option('dns-nameservers', {
      ...list,
      alias: 'dns',
      describe: 'addresses in its resolv.conf, joined by commas',
    })
    .option('dns-search-domains', {
      ...list,
      alias: 'dns-search',
      describe: 'search domains in its resolv.conf, joined by commas',
    })
    .option('dns-options', {
      ...list,
      alias: 'dns-option',
      describe: 'options in its resolv.conf, joined by commas: ndots:2',
    })
    .option('add-hosts', {
      ...list,
      alias: 'add-host',
      describe: 'HOST:IP, further lines of its hosts file, joined by commas (repeatable)',
    })
}

/** @throws {UsageError} */
export function networkOptions(
  argv: Arguments,
  mounts: ContainerOptions['mounts'] = [],
): Pick<ContainerOptions, 'hostname' | 'resolver' | 'hosts'> {
  const hostname = single(argv, 'hostname')
  const hosts = list(argv, 'add-hosts').map(hostEntry)
  const resolver = {
    nameservers: list(argv, 'dns-nameservers').map(nameserver),
    searchDomains: list(argv, 'dns-search-domains').map(searchDomain),
    options: list(argv, 'dns-options').map(resolverOption),
  }
  const given = NAMES.find((name) => argv[name] !== undefined)
  const isMounted = (path: string) => mounts.some(({ destination }) => destination === path)
  if (given !== undefined && isMounted('/etc/resolv.conf'))
    throw contradiction(`--${given} and a mount at /etc/resolv.conf: leave one of them out`)
  if (hosts.length > 0 && isMounted('/etc/hosts'))
    throw contradiction('--add-hosts and a mount at /etc/hosts: leave one of them out')
  return {
    ...(hostname === undefined ? {} : { hostname: checkedHostname(hostname) }),
    ...(given === undefined ? {} : { resolver }),
    ...(hosts.length === 0 ? {} : { hosts }),
  }
}

function list(argv: Arguments, name: string): string[] {
  return repeated(argv, name)
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
}

function checkedHostname(text: string): string {
  if (HOSTNAME.test(text)) return text
  throw invalidOption('hostname', text, 'write a host name: letters, digits, "-", "_" and ".", at most 64')
}

function nameserver(text: string): string {
  if (isIP(text) !== 0) return text
  throw invalidOption('dns-nameservers', text, 'write addresses, such as 9.9.9.9 or 2620:fe::fe')
}

function searchDomain(text: string): string {
  if (text === '.' || DOMAIN.test(text)) return text
  throw invalidOption('dns-search-domains', text, 'write domains, such as example.com, or "." for none')
}

function resolverOption(text: string): string {
  if (RESOLVER_OPTION.test(text)) return text
  throw invalidOption('dns-options', text, 'write options of resolv.conf, such as ndots:2 or rotate')
}

/** The address may have colons, the name may not; docker's newer form has `=` between them. */
function hostEntry(text: string): HostEntry {
  const at = text.search(/[:=]/)
  const name = text.slice(0, Math.max(at, 0))
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
  if (HOSTNAME.test(name) && isIP(address) !== 0) return { name, address }
  const gateway = address === 'host-gateway' ? ' (host-gateway is not known here: write its address)' : ''
  throw invalidOption('add-hosts', text, `write HOST:IP, such as db:10.0.0.7 or db:::1${gateway}`)
}

/** Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as curl and Go's programs read them. */
import { BlockList, isIP } from 'node:net'
import { RegistryError } from './errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** @returns null for the direct way @throws {RegistryError} REGISTRY_CONFIG_INVALID */
export function proxyFor(url: URL, environment: Environment): URL | null {
  const key = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const named = (name: string) => environment[name.toLowerCase()] || environment[name] || ''
  const proxy = named(key)
  if (proxy === '' || isLoopback(url.hostname)) return null
  if (
    named('NO_PROXY')
      .split(',')
      .some((entry) => isExempt(url, entry.trim().toLowerCase()))
  )
    return null
  return proxyUrl(key, proxy)
}

/** The value may hold a password: it is not told. */
function proxyUrl(key: string, value: string): URL {
  const text = value.includes('://') ? value : `http://${value}`
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && /^https?:$/.test(url.protocol) && hasReadableLogin(url)) return url
  const what =
    url === null
      ? 'its value is no address'
      : /^https?:$/.test(url.protocol)
        ? 'its login cannot be read (a % in it is written %25)'
        : `${url.protocol}// is not spoken`
  throw new RegistryError(
    'REGISTRY_CONFIG_INVALID',
    `${key}: ${what}: name a proxy that is asked by http or https, or take the registry out by NO_PROXY`,
  )
}

function hasReadableLogin({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}:${password}`)
    return true
  } catch {
    return false
  }
}

/** `localhost`, 127.0.0.0/8 and ::1. @param hostname as a URL has it, with brackets or without */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function isExempt(url: URL, entry: string): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const network = /^(.+)\/(\d+)$/.exec(entry)
  if (network !== null) return isInNetwork(host, network[1] as string, Number(network[2]))
  const [name, port] = splitPort(entry)
  if (port !== '' && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false
  const domain = name.replace(/^\*?\./, '')
  return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`))
}

function splitPort(entry: string): [name: string, port: string] {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry)
  if (bracketed !== null) return [bracketed[1] as string, bracketed[2] ?? '']
  if (isIP(entry) === 6) return [entry, '']
  const [name = '', port = ''] = entry.split(':')
  return [name, port]
}

function isInNetwork(host: string, address: string, prefix: number): boolean {
  const family = isIP(host)
  if (family === 0 || family !== isIP(address)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  try {
    list.addSubnet(address, prefix, type)
  } catch {
    return false
  }
  return list.check(host, type)
}

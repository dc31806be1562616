/** The two files that a container's network needs: the host's own, or ours for a network of nothing but loopback. */
import { existsSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The name a workload sees as its own; fixed, for it may end up in what the workload writes. */
export const HOSTNAME = 'hotlayer'

const HOSTS = `127.0.0.1\tlocalhost ${HOSTNAME}
::1\tlocalhost ip6-localhost ip6-loopback
`

/** @returns host files and where the container sees them */
export function networkFiles(netHost: boolean, runFolder: string): { source: string; destination: string }[] {
  if (netHost) {
    const paths = ['/etc/resolv.conf', '/etc/hosts'].filter((path) => existsSync(path))
    return paths.map((path) => ({ source: realpathSync(path), destination: path }))
  }
  const hosts = join(runFolder, 'hosts')
  writeFileSync(hosts, HOSTS, { mode: 0o644 })
  return [{ source: hosts, destination: '/etc/hosts' }]
}

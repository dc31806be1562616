/** `--ready-tcp`: an address of the workload's network takes a connection. */
import { isIPv6, Socket } from 'node:net'
import { connectInNamespace } from '../../../native/network.ts'
import type { Endpoint } from '../options.ts'
import type { StopRule } from './stop-rule.ts'
import { poll } from './until.ts'

/** The one name that means the same in every network. */
export const LOCALHOST = 'localhost'
const LOCALHOST_ADDRESSES = ['127.0.0.1', '::1']
const INTERVAL_MS = 100
const CONNECT_TIMEOUT_MS = 2000

/** @param namespacePath of the workload's network, e.g. `/proc/7/ns/net` */
export function tcpRule(endpoint: Endpoint, namespacePath: string): StopRule {
  const attempt = async () => {
    const socket = await connect(endpoint, namespacePath)
    socket?.destroy()
    return socket === null ? null : `${formatEndpoint(endpoint)} took a connection`
  }
  return {
    name: 'ready-tcp',
    met: (signal) => poll(attempt, INTERVAL_MS, signal),
    found: () => `nothing takes a connection at ${formatEndpoint(endpoint)}`,
  }
}

/** Null when nobody takes it. */
export async function connect({ address, port }: Endpoint, namespacePath: string): Promise<Socket | null> {
  for (const candidate of address === LOCALHOST ? LOCALHOST_ADDRESSES : [address]) {
    try {
      const fd = await connectInNamespace(namespacePath, candidate, port, CONNECT_TIMEOUT_MS)
      return new Socket({ fd, readable: true, writable: true }).on('error', () => {})
    } catch {
      // Refused, out of reach, or the namespace has ended with its last process: not yet.
    }
  }
  return null
}

export function formatEndpoint({ address, port }: Endpoint): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** What a network namespace needs to be of use, and a way to talk to what runs in it. */
import { loadAddon } from './addon.ts'
import { NativeError, orNativeError } from './system-error.ts'

interface NetworkBinding {
  peerPid(path: string): number
  raiseLoopback(namespacePath: string): void
  connectTcp(namespacePath: string, address: string, port: number, timeoutMs: number): Promise<number>
}

/**
 * The process that listens at a Unix socket, as its number in our pid namespace; 0 when it has none there.
 * @throws {NativeError} SOCKET_UNUSABLE
 * @see unix(7), SO_PEERCRED
 */
export function peerPid(path: string): number {
  return orNativeError('SOCKET_UNUSABLE', `cannot connect to ${path}`, '', () =>
    loadAddon<NetworkBinding>().peerPid(path),
  )
}

/**
 * Brings up `lo` in a network namespace, with 127.0.0.1 and ::1; this process stays where it is.
 * @param namespacePath e.g. `/proc/7/ns/net`
 * @throws {NativeError} LOOPBACK_FAILED
 */
export function raiseLoopback(namespacePath: string): void {
  orNativeError(
    'LOOPBACK_FAILED',
    `cannot bring up the loopback interface of ${namespacePath}`,
    'that needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)',
    () => loadAddon<NetworkBinding>().raiseLoopback(namespacePath),
  )
}

/**
 * Connects from inside a network namespace; this process stays where it is, for a socket belongs to the namespace
 * that it was made in.
 * @param address IPv4 or IPv6
 * @returns a connected socket's descriptor, to be closed by the caller
 * @throws {NativeError} CONNECT_FAILED; its `systemCode` is `ETIMEDOUT` when nobody has answered in time
 */
export async function connectInNamespace(
  namespacePath: string,
  address: string,
  port: number,
  timeoutMs: number,
): Promise<number> {
  const { connectTcp } = loadAddon<NetworkBinding>()
  try {
    return await connectTcp(namespacePath, address, port, timeoutMs)
  } catch (cause) {
    throw new NativeError(
      'CONNECT_FAILED',
      `cannot connect to ${address} port ${port} in ${namespacePath}`,
      cause,
    )
  }
}

/** The one thing a network namespace needs to be of use: its loopback interface. */
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

interface NetworkBinding {
  raiseLoopback(namespacePath: string): void
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

/** containerd and this program name processes by number: they have to mean the same ones. */
import { readlinkSync } from 'node:fs'
import { peerPid } from '../../native/network.ts'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'

/**
 * A runtime that joined the mount namespace of another process of the notifier's number would pivot that: on a host
 * whose processes this program cannot see, perhaps the host's own.
 *
 * @param address containerd's socket
 * @throws {PreconditionError} PID_NAMESPACE_FOREIGN, PRIVILEGE_MISSING
 * @throws {NativeError} SOCKET_UNUSABLE
 */
export function requireSamePidNamespace(address: string): void {
  const pid = peerPid(address)
  if (pid !== 0 && pidNamespaceOf(pid) === pidNamespaceOf('self')) return
  throw new PreconditionError(
    'PID_NAMESPACE_FOREIGN',
    `containerd at ${address} is in another pid namespace: a container that records needs its host's ` +
      '(docker run --pid=host, hostPID: true); see docs/in-container.md',
  )
}

function pidNamespaceOf(pid: number | 'self'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch (cause) {
    if (['EACCES', 'EPERM'].includes(systemCodeOf(cause) ?? ''))
      throw new PreconditionError(
        'PRIVILEGE_MISSING',
        'recording looks at the namespaces of containerd and the workload, which needs CAP_SYS_PTRACE: run as root, ' +
          'in a container with --cap-add SYS_PTRACE',
        { cause },
      )
    throw new PreconditionError(
      'PID_NAMESPACE_FOREIGN',
      `the pid namespace of process ${pid} cannot be read: /proc is not that of this pid namespace, or hides other processes`,
      { cause },
    )
  }
}

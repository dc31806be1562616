/** The network of a container that exists and has not started: a loopback, and what CNI plugins attach it to. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { mount } from '../../native/mounts.ts'
import { raiseLoopback } from '../../native/network.ts'
import { attach, detach } from './cni/attachment.ts'
import { fillResolver } from './cni/resolver.ts'
import { type Container, networkPathOf } from './engine.ts'
import type { WorkloadOptions } from './options.ts'
import { unmountBelow } from './rootfs.ts'
import type { Run } from './run.ts'

/** In the run folder: a mount that keeps the network namespace, and its path, until plugins have cleaned up. */
const NAMESPACE_FILE = 'netns'

/**
 * @returns leaves the network; that is also done with `run`, at the latest
 * @throws {NativeError} LOOPBACK_FAILED @throws {PreconditionError} CNI_FAILED
 */
export async function joinNetwork(
  run: Run,
  workload: Container,
  { netHost, cni, container }: WorkloadOptions,
): Promise<() => Promise<void>> {
  if (netHost) return async () => {}
  const networkPath = networkPathOf(workload)
  raiseLoopback(networkPath)
  if (cni === undefined) return async () => {}
  // A path below /proc would be another process's once this one has ended.
  const namespacePath = join(run.folder, NAMESPACE_FILE)
  closeSync(openSync(namespacePath, 'wx', 0o600))
  const release = run.undo.push(`the mount ${namespacePath}`, () => unmountBelow(namespacePath))
  mount({ type: 'none', source: networkPath, target: namespacePath, options: ['bind'] })
  const leave = run.undo.push(`the network "${cni.network.name}"`, () => detach(run.folder))
  const result = await attach(run.folder, run.id, namespacePath, cni)
  fillResolver(run.folder, result, container?.resolver)
  run.log.info(`network: "${cni.network.name}"${addresses(result)}`)
  return () => leave().then(release)
}

function addresses({ ips }: { ips?: unknown }): string {
  if (!Array.isArray(ips)) return ''
  const found = ips.map(({ address }) => address).filter((address) => typeof address === 'string')
  return found.length === 0 ? '' : `, address ${found.join(', ')}`
}

/** A private containerd for root tests, and the reason to skip them where there can be none. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type PrivateContainerd, startPrivateContainerd } from '../../bench/sample/private-containerd.ts'
import { Containerd } from '../../optimizer/containerd/client.ts'

/**
 * Why tests with a real containerd cannot run here, or false.
 * With CI set it is always false: there they must run, and fail where they cannot.
 */
export function skipWithoutContainerd(): string | false {
  if (process.env.CI) return false
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = ['containerd', 'runc', 'containerd-shim-runc-v2'].filter((name) => !isOnPath(name))
  return missing.length > 0 ? `needs ${missing.join(', ')} on PATH: run bin/setup` : false
}

function isOnPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export interface TestContainerd {
  daemon: PrivateContainerd
  /** A client in the daemon's random namespace. */
  client: Containerd
  stop(): Promise<void>
}

export async function openContainerd(): Promise<TestContainerd> {
  const daemon = await startPrivateContainerd()
  try {
    const client = await Containerd.connect(daemon.address, daemon.namespace)
    const stop = async () => {
      client.close()
      await daemon.stop()
    }
    return { daemon, client, stop }
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

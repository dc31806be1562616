/**
 * A network namespace attached to a network: ADD by every plugin in order, DEL in the reverse. What is needed for DEL
 * is noted in the run folder before the first ADD, so that `clean` can undo it for a run that was killed.
 * @see CNI specification 1.0.0, section 3, "Execution of network configurations"
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCodeOf } from '../../../shared/errors.ts'
import { mountPointsBelow } from '../mount-points.ts'
import type { CniOptions } from '../options.ts'
import type { CniNetwork, PluginConfig } from './network.ts'
import { callPlugin, type PluginCall } from './plugin.ts'

/** What the last plugin of an ADD answered; fields that nobody here looks at are kept for DEL. */
export type CniResult = Record<string, unknown>

/** In the run folder. */
const STATE_FILE = 'cni.json'
const INTERFACE = 'eth0'

interface Attachment {
  network: CniNetwork
  folders: readonly string[]
  containerId: string
  namespacePath: string
  /** null until ADD is through. */
  result: CniResult | null
}

/**
 * @param namespacePath stays what it is until {@link detach}
 * @throws {PreconditionError} CNI_FAILED; {@link detach} undoes what was done until then
 */
export async function attach(
  runFolder: string,
  containerId: string,
  namespacePath: string,
  { network, pluginDirs }: CniOptions,
): Promise<CniResult> {
  const attachment: Attachment = { network, folders: pluginDirs, containerId, namespacePath, result: null }
  note(runFolder, attachment)
  let result: CniResult | null = null
  for (const plugin of network.plugins)
    result = (await callPlugin(configFor(plugin, network, result), pluginCall('ADD', attachment))) ?? result
  note(runFolder, { ...attachment, result })
  return result ?? {}
}

/**
 * Every plugin is called, also after one has failed.
 * @returns false when the run has attached nothing
 * @throws what the first that failed threw
 */
export async function detach(runFolder: string): Promise<boolean> {
  const attachment = noted(runFolder)
  if (attachment === null) return false
  const { network, result, namespacePath } = attachment
  // Where it was mounted is a plain file afterwards, which plugins refuse; without a path they give the addresses back.
  const isThere = mountPointsBelow(namespacePath).length > 0
  const call = pluginCall('DEL', { ...attachment, namespacePath: isThere ? namespacePath : '' })
  const failures: unknown[] = []
  for (const plugin of [...network.plugins].reverse()) {
    const config = configFor(plugin, network, network.cniVersion.startsWith('0.3.') ? null : result)
    await callPlugin(config, call).catch((error) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
  rmSync(join(runFolder, STATE_FILE), { force: true })
  return true
}

/** Whether {@link detach} has something to do. */
export function isAttached(runFolder: string): boolean {
  return existsSync(join(runFolder, STATE_FILE))
}

function configFor(plugin: PluginConfig, network: CniNetwork, prevResult: CniResult | null) {
  const { name, cniVersion } = network
  return { ...plugin, name, cniVersion, ...(prevResult === null ? {} : { prevResult }) }
}

function pluginCall(command: PluginCall['command'], attachment: Attachment): PluginCall {
  const { containerId, namespacePath, folders } = attachment
  return { command, containerId, namespacePath, interfaceName: INTERFACE, folders }
}

function note(runFolder: string, attachment: Attachment): void {
  writeFileSync(join(runFolder, STATE_FILE), JSON.stringify(attachment), { mode: 0o600 })
}

function noted(runFolder: string): Attachment | null {
  const path = join(runFolder, STATE_FILE)
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null
    throw new Error(`${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * One call of a network plugin: a program that is told what to do by its environment and stdin, and answers on stdout.
 * @see CNI specification 1.0.0, section 2, "Execution protocol"
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { messageOf, PreconditionError } from '../../../shared/errors.ts'

export interface PluginCall {
  command: 'ADD' | 'DEL'
  containerId: string
  /** A file that stands for the network namespace. */
  namespacePath: string
  /** Of the interface in there. */
  interfaceName: string
  /** Where the plugin finds others. */
  folders: readonly string[]
}

/** Some wait for a lock of the firewall. */
const TIMEOUT_SECONDS = 60
const MESSAGE_CHARACTERS_MAX = 500

/** @throws {PreconditionError} CNI_PLUGIN_MISSING */
export function pluginPath(type: string, folders: readonly string[]): string {
  for (const folder of folders) {
    try {
      const path = join(folder, type)
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Perhaps in the next.
    }
  }
  throw new PreconditionError(
    'CNI_PLUGIN_MISSING',
    `the network plugin "${type}" is not in ${folders.join(' or ')}: install it (Debian: containernetworking-plugins), or name its folder with --cni-plugin-dir`,
  )
}

/**
 * @param config as the plugin gets it
 * @returns what it answered, null for nothing
 * @throws {PreconditionError} CNI_PLUGIN_MISSING, CNI_FAILED
 */
export async function callPlugin(
  config: { type: string; name: string },
  call: PluginCall,
): Promise<Record<string, unknown> | null> {
  const { type, name } = config
  const child = spawn(pluginPath(type, call.folders), [], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own keeps Ctrl-C away: a network that is half made, or half taken away, stays.
    detached: true,
    timeout: TIMEOUT_SECONDS * 1000,
    killSignal: 'SIGKILL',
    env: {
      ...process.env,
      CNI_COMMAND: call.command,
      CNI_CONTAINERID: call.containerId,
      CNI_NETNS: call.namespacePath,
      CNI_IFNAME: call.interfaceName,
      CNI_PATH: call.folders.join(':'),
      CNI_ARGS: '',
    },
  })
  // It may answer without reading.
  child.stdin.on('error', () => {}).end(JSON.stringify(config))
  const failed = (why: string, cause?: unknown) =>
    new PreconditionError(
      'CNI_FAILED',
      `the network "${name}": its plugin "${type}" failed at ${call.command}: ${why}`,
      { cause },
    )
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  try {
    const [answer, said, { code, signal }] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended,
    ])
    if (code === 0) return answer.trim() === '' ? null : JSON.parse(answer)
    throw failed(errorText(answer, said, signal === null ? `it ended with ${code}` : `it ended by ${signal}`))
  } catch (error) {
    throw error instanceof PreconditionError ? error : failed(messageOf(error), error)
  }
}

/** A plugin's own words: a document on stdout, else what is on stderr. */
function errorText(answer: string, said: string, end: string): string {
  try {
    const { msg, details } = JSON.parse(answer)
    if (typeof msg === 'string' && msg !== '')
      return typeof details === 'string' && details !== '' ? `${msg} (${details})` : msg
  } catch {
    // Not one of the protocol's answers.
  }
  const words = `${answer} ${said}`.trim().replaceAll(/\s+/g, ' ').slice(0, MESSAGE_CHARACTERS_MAX)
  return words === '' ? end : `${end}: ${words}`
}

/**
 * Network configurations as administrators keep them for containers: files of a folder, each a list of plugins or a
 * single one.
 * @see CNI specification 1.0.0, section 1, "Network configuration format"
 */
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { messageOf, PreconditionError, systemCodeOf } from '../../../shared/errors.ts'
import { pluginPath } from './plugin.ts'

export interface CniNetwork {
  name: string
  cniVersion: string
  /** In the order of ADD. */
  plugins: PluginConfig[]
  /** The file that it is from. */
  file: string
}

/** A plugin's own settings, handed to it as they are. */
export interface PluginConfig extends Record<string, unknown> {
  /** Name of the program. */
  type: string
}

const EXTENSIONS = new Set(['.conf', '.conflist', '.json'])
/** Of earlier ones results have another form, which no plugin writes any more unless it is asked to. */
const VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

/**
 * @param name of the network; undefined: that of the first file, by the files' names
 * @throws {PreconditionError} CNI_CONFIG_MISSING, CNI_CONFIG_INVALID
 */
export function readNetwork(folder: string, name?: string): CniNetwork {
  const files = configFiles(folder)
  if (name === undefined) return parseFile(files[0] as string)
  const names: string[] = []
  for (const file of files) {
    // Another network's mistakes are none of ours.
    const found = nameIn(file)
    if (found === name) return parseFile(file)
    if (found !== null) names.push(found)
  }
  throw new PreconditionError(
    'CNI_CONFIG_MISSING',
    `${folder} has no network ${JSON.stringify(name)}: name one of ${names.join(', ')}, or another folder with --cni-plugin-conf-dir`,
  )
}

/** At least one. */
function configFiles(folder: string): string[] {
  let names: string[] = []
  try {
    names = readdirSync(folder)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw unreadable(folder, error)
  }
  const files = names.filter((name) => EXTENSIONS.has(extname(name))).sort()
  if (files.length > 0) return files.map((name) => join(folder, name))
  throw new PreconditionError(
    'CNI_CONFIG_MISSING',
    `there is no network configuration (*.conflist, *.conf) in ${folder}: name its folder with --cni-plugin-conf-dir`,
  )
}

function nameIn(file: string): string | null {
  try {
    const { name } = JSON.parse(readFileSync(file, 'utf8'))
    return typeof name === 'string' ? name : null
  } catch {
    return null
  }
}

function parseFile(file: string): CniNetwork {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
  return parseNetwork(text, file)
}

/** @throws {PreconditionError} CNI_CONFIG_INVALID */
export function parseNetwork(text: string, file: string): CniNetwork {
  const invalid = (what: string, cause?: unknown) =>
    new PreconditionError('CNI_CONFIG_INVALID', `the network configuration ${file}: ${what}`, { cause })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw invalid(`it is not JSON (${messageOf(cause)})`, cause)
  }
  if (!isObject(json)) throw invalid('it is not an object')
  const { name, cniVersion } = json
  if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
    throw invalid('"name" must be letters, digits, "_", "." and "-", beginning with a letter or digit')
  if (typeof cniVersion !== 'string' || !VERSIONS.includes(cniVersion))
    throw invalid(`"cniVersion" must be one of ${VERSIONS.join(', ')}`)
  const plugins = json.plugins ?? [json]
  if (!Array.isArray(plugins) || plugins.length === 0 || !plugins.every(isPlugin))
    throw invalid('every plugin must have a "type", the name of its program, and there must be one')
  return { name, cniVersion, plugins, file }
}

/** Every program that a network needs is looked for before anything runs. @throws {PreconditionError} CNI_PLUGIN_MISSING */
export function requirePlugins({ plugins }: CniNetwork, folders: readonly string[]): void {
  for (const plugin of plugins) {
    pluginPath(plugin.type, folders)
    // Called by the plugin itself, from the same folders.
    const { ipam } = plugin
    if (isPlugin(ipam)) pluginPath(ipam.type, folders)
  }
}

function isPlugin(value: unknown): value is PluginConfig {
  return isObject(value) && typeof value.type === 'string' && value.type !== '' && !value.type.includes('/')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(path: string, cause: unknown): PreconditionError {
  return new PreconditionError('CNI_CONFIG_MISSING', `${path} cannot be read (${messageOf(cause)})`, {
    cause,
  })
}

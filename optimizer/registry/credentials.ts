/** Who asks: from options, from docker's config.json and podman's auth.json, from credential helpers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, systemCodeOf } from '../../shared/errors.ts'
import { RegistryError, registryText } from './errors.ts'
import type { RegistrySettings } from './settings.ts'

export type Credentials =
  | { kind: 'password'; username: string; password: string }
  /** Exchanged for access tokens at the registry's token server. */
  | { kind: 'identity token'; token: string }
  /** An access token as it is. */
  | { kind: 'access token'; token: string }

/** Docker Hub's, as docker has written it since its first version. */
const HUB_SERVER = 'https://index.docker.io/v1/'
const HELPER_SECONDS = 60
const HELPER_OUTPUT_MAX = 1024 * 1024

interface ConfigFile {
  path: string
  auths: Record<string, unknown>
  credHelpers: Record<string, unknown>
  credsStore: string
}

export class CredentialSource {
  readonly #settings: Pick<RegistrySettings, 'configFile' | 'credentials'>
  readonly #found = new Map<string, Promise<Credentials | null>>()
  readonly #helperSeconds: number
  #files: ConfigFile[] | undefined

  constructor(
    settings: Pick<RegistrySettings, 'configFile' | 'credentials'>,
    helperSeconds: number = HELPER_SECONDS,
  ) {
    this.#settings = settings
    this.#helperSeconds = helperSeconds
  }

  /**
   * @param host of the registry that is asked, which may be a mirror
   * @param isMeant it is the registry that the user has named: what was given without a host is for it
   * @returns null: nobody in particular
   * @throws {RegistryError} REGISTRY_CREDENTIALS naming file or helper
   */
  of(host: string, repository: string, isMeant: boolean): Promise<Credentials | null> {
    const key = `${host}/${repository}`
    let found = this.#found.get(key)
    if (found === undefined) {
      found = this.#find(host, repository, isMeant)
      this.#found.set(key, found)
    }
    return found
  }

  async #find(host: string, repository: string, isMeant: boolean): Promise<Credentials | null> {
    const { credentials } = this.#settings
    const given = credentials.get(host) ?? (isMeant ? credentials.get('') : undefined)
    if (given !== undefined) return { kind: 'password', ...given }
    this.#files ??= readFiles(this.#settings.configFile)
    for (const file of this.#files) {
      const found = await credentialsIn(file, host, repository, this.#helperSeconds)
      if (found !== null) return found
    }
    return null
  }
}

/** The first of podman's and docker's that is there, each where its own programs look. */
function readFiles(named: string | null): ConfigFile[] {
  if (named !== null) {
    const file = readConfig(named)
    if (file !== undefined) return [file]
    throw credentialsError(`--registry-config: there is no file ${named}`)
  }
  const { REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, XDG_CONFIG_HOME } = process.env
  const places = [
    REGISTRY_AUTH_FILE,
    DOCKER_CONFIG ? join(DOCKER_CONFIG, 'config.json') : join(homedir(), '.docker', 'config.json'),
    XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, 'containers', 'auth.json') : undefined,
    join(XDG_CONFIG_HOME || join(homedir(), '.config'), 'containers', 'auth.json'),
  ]
  return places.flatMap((path) => (path ? (readConfig(path) ?? []) : []))
}

function readConfig(path: string): ConfigFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const code = systemCodeOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw credentialsError(`cannot read ${path}: ${messageOf(cause)}`, cause)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw credentialsError(`${path} is not JSON`, cause)
  }
  const { auths, credHelpers, credsStore } = asObject(json)
  return {
    path,
    auths: asObject(auths),
    credHelpers: asObject(credHelpers),
    credsStore: typeof credsStore === 'string' ? credsStore : '',
  }
}

async function credentialsIn(
  file: ConfigFile,
  host: string,
  repository: string,
  helperSeconds: number,
): Promise<Credentials | null> {
  const server = isHub(host) ? HUB_SERVER : host
  const helper = [host, ...(isHub(host) ? ['docker.io', HUB_SERVER] : [])]
    .map((name) => file.credHelpers[name])
    .find((name): name is string => typeof name === 'string' && name !== '')
  if (helper !== undefined) {
    const found = await askHelper(helper, server, helperSeconds)
    if (found !== null) return found
  }
  const entry = entryFor(file.auths, host, repository)
  const inFile = entry === undefined ? null : credentialsOf(file.path, entry)
  if (inFile !== null) return inFile
  return file.credsStore === '' || helper === file.credsStore
    ? null
    : await askHelper(file.credsStore, server, helperSeconds)
}

/** The most exact key: podman's may go on with a path; docker's older ones are URLs. */
function entryFor(auths: Record<string, unknown>, host: string, repository: string): unknown {
  const keys = new Map(
    Object.keys(auths).map((key) => [key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, ''), key]),
  )
  const hosts = isHub(host) ? ['docker.io', 'index.docker.io', 'registry-1.docker.io'] : [host]
  for (const name of hosts)
    for (
      let path = `${name}/${repository}`;
      path.length >= name.length;
      path = path.slice(0, path.lastIndexOf('/'))
    ) {
      const key = keys.get(path)
      if (key !== undefined) return auths[key]
      if (path === name) break
    }
  return undefined
}

function isHub(host: string): boolean {
  return /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/.test(host)
}

function credentialsOf(path: string, entry: unknown): Credentials | null {
  const { auth, username, password, identitytoken, registrytoken } = asObject(entry)
  if (typeof registrytoken === 'string' && registrytoken !== '')
    return { kind: 'access token', token: registrytoken }
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { kind: 'identity token', token: identitytoken }
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '')
    const colon = text.indexOf(':')
    if (colon < 1)
      throw credentialsError(`${path}: an "auth" is not user and password in base64; log in again`)
    return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) }
  }
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') return null
  return { kind: 'password', username, password }
}

/** @see docker-credential-helpers, "Development" */
async function askHelper(name: string, server: string, seconds: number): Promise<Credentials | null> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw credentialsError(`${JSON.stringify(name)} is no name of a credential helper`)
  const program = `docker-credential-${name}`
  const { status, stdout, stderr } = await run(program, server, seconds)
  if (status !== 0) {
    const said = `${stdout} ${stderr}`
    if (/credentials not found|no credentials/i.test(said)) return null
    throw credentialsError(`${program} failed for ${server}: ${registryText(said) || `status ${status}`}`)
  }
  let answer: Record<string, unknown>
  try {
    answer = asObject(JSON.parse(stdout))
  } catch (cause) {
    throw credentialsError(`${program} did not answer in JSON`, cause)
  }
  const { Username: username, Secret: secret } = answer
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return null
  return username === '<token>'
    ? { kind: 'identity token', token: secret }
    : { kind: 'password', username, password: secret }
}

async function run(
  program: string,
  input: string,
  seconds: number,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      if (output[stream].length < HELPER_OUTPUT_MAX) output[stream] += text
    })
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
    // What it has started may have them open for longer.
    child.stdout.destroy()
    child.stderr.destroy()
  }, seconds * 1000)
  // One that does not read is told by its status.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  try {
    const [status] = (await once(child, 'close')) as [number | null]
    if (isLate) throw new Error(`it did not answer in ${seconds} s`)
    return { status, ...output }
  } catch (cause) {
    throw credentialsError(`${program}, which config.json names, cannot be run: ${messageOf(cause)}`, cause)
  } finally {
    clearTimeout(late)
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

function credentialsError(what: string, cause?: unknown): RegistryError {
  return new RegistryError('REGISTRY_CREDENTIALS', what, cause === undefined ? {} : { cause })
}

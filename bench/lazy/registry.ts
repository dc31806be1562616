/** A registry of our own: Debian's docker-registry on a loopback port, its files in a temporary folder. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError, PreconditionError } from '../../shared/errors.ts'
import { endDaemon, startDaemon, untilReady } from '../sample/daemon-process.ts'
import { findFreePort } from '../sample/run-image.ts'

export interface RegistryOptions {
  /** PEM files; plain http without them. */
  tls?: { certificate: string; key: string }
  /** Lines of a password file, with bcrypt; open to everybody without them. */
  passwords?: string
}

export interface Registry {
  /** On 127.0.0.1. */
  readonly port: number
  /** Ends it and removes its files; safe to call again. */
  stop(): Promise<void>
}

/**
 * @throws {PreconditionError} REGISTRY_MISSING
 * @throws {CodedError} REGISTRY_FAILED with the end of its log; nothing is left then
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'hl-registry-'))
  const [settings, log] = [join(folder, 'config.yml'), join(folder, 'log')]
  const port = await findFreePort()
  await writeFile(join(folder, PASSWORDS), options.passwords ?? '')
  await writeFile(settings, configuration(folder, port, options))
  const child = startDaemon(['docker-registry', 'serve', settings], log)
  const stop = async () => {
    await endDaemon(child, 'SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await untilReady(child, () => listens(port))
    return { port, stop }
  } catch (cause) {
    const tail = (await readFile(log, 'utf8')).trim().split('\n').slice(-5).join('\n')
    await stop()
    if (/docker-registry.*No such file/.test(tail))
      throw new PreconditionError('REGISTRY_MISSING', 'docker-registry is not on PATH: run bin/setup --test')
    throw new CodedError('REGISTRY_FAILED', `a registry did not start; the end of its log:\n${tail}`, {
      cause,
    })
  }
}

const PASSWORDS = 'passwords'

/** It listens when it is ready. */
async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Nothing of Debian's own file, which asks for passwords and listens everywhere. */
function configuration(folder: string, port: number, { tls, passwords }: RegistryOptions): string {
  const keys = tls === undefined ? '' : `, tls: { certificate: "${tls.certificate}", key: "${tls.key}" }`
  const auth =
    passwords === undefined ? '' : `auth: { htpasswd: { realm: test, path: "${join(folder, PASSWORDS)}" } }\n`
  return `version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  cache: { blobdescriptor: inmemory }
  filesystem: { rootdirectory: ${JSON.stringify(join(folder, 'data'))} }
http: { addr: "127.0.0.1:${port}"${keys} }
${auth}`
}

/** A registry with mirrors in front of it, as containerd's hosts.toml has them, and what is told on the way. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import type { Repository } from '../../optimizer/registry/repository.ts'
import { FakeRegistry, testSettings } from './fake-registry.ts'
import { LogLines } from './log-lines.ts'

export interface Mirrored {
  /** In the order of asking. */
  mirrors: FakeRegistry[]
  /** The registry itself. */
  own: FakeRegistry
  access: RegistryAccess
  /** `team/app` in it. */
  repository: Repository
  log: LogLines
}

/**
 * @param capabilities of the mirrors
 * @param ownCapabilities of the registry itself, as the file says; absent: it does not name it
 */
export async function withMirrors(
  count: number,
  body: (mirrored: Mirrored) => Promise<void>,
  capabilities = ['pull', 'resolve'],
  ownCapabilities?: string[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mirrors-'))
  const own = await FakeRegistry.start()
  const mirrors = await Promise.all(Array.from({ length: count }, () => FakeRegistry.start()))
  const log = new LogLines()
  const sleep = async () => {}
  const access = new RegistryAccess(testSettings(tmpdir(), { hostsFolders: [folder] }), { log, sleep })
  try {
    mkdirSync(join(folder, own.host))
    const able = (what: string[]) => `capabilities = ${JSON.stringify(what)}\n`
    const server = ownCapabilities ? `server = "http://${own.host}"\n${able(ownCapabilities)}` : ''
    const tables = mirrors.map(({ host }) => `[host."http://${host}"]\n${able(capabilities)}`)
    writeFileSync(join(folder, own.host, 'hosts.toml'), [server, ...tables].join(''))
    const repository = access.repository(own.host, 'team/app', 'write')
    await body({ mirrors, own, access, repository, log })
  } finally {
    await access.close()
    await Promise.all([own, ...mirrors].map((registry) => registry.stop()))
    rmSync(folder, { recursive: true })
  }
}

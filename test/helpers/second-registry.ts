/** A registry that is neither docker's nor ours, as a process of a test. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildGoProgram, lackOfGo } from '../../bench/go-program.ts'
import type { Registry } from '../../bench/lazy/registry.ts'
import { endDaemon, startDaemon, untilReady } from '../../bench/sample/daemon-process.ts'
import { findFreePort } from '../../bench/sample/run-image.ts'

const LIBRARY = 'github.com/google/go-containerregistry/pkg/registry'
const LATER = process.env.LATER_GOPATH

/** Why there is none here, or false; with CI set always false: there it must be. */
export function skipWithoutSecondRegistry(): string | false {
  if (process.env.CI) return false
  if (LATER === undefined || !LATER.split(':').some((folder) => existsSync(folder)))
    return 'no later Go libraries in LATER_GOPATH (bin/setup --test provides them)'
  return lackOfGo([LIBRARY], LATER)
}

export async function startSecondRegistry(): Promise<Registry> {
  const program = buildGoProgram(['test/registry/second-registry/main.go'], LATER)
  const folder = mkdtempSync(join(tmpdir(), 'second-registry-'))
  const log = join(folder, 'log')
  const port = await findFreePort()
  const child = startDaemon([program, '-address', `127.0.0.1:${port}`], log)
  const stop = async () => {
    await endDaemon(child, 'SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await untilReady(child, () => listens(port))
    return { port, stop }
  } catch (cause) {
    const tail = readFileSync(log, 'utf8').slice(-1000)
    await stop()
    throw new Error(`the second registry did not start: ${tail}`, { cause })
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

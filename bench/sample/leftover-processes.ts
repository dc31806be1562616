/** The processes of a private containerd's tasks, ended from outside. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const END_TIMEOUT_MS = 5_000

interface Process {
  pid: number
  parent: number
  command: string[]
}

/** Kills the shims started for this containerd socket, with all below them, and waits until they are gone. */
export async function killProcesses(address: string): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS
  for (;;) {
    const doomed = shimsAndDescendants(address)
    if (doomed.length === 0 || performance.now() > deadline) return
    for (const { pid, command } of doomed) {
      kill(pid)
      // What a shim would remove by itself had it been asked to end.
      if (isShimOf(command, address)) rmSync(shimSocket(command, address), { force: true })
    }
    await delay(10)
  }
}

/** Of the shims that were started for this containerd and are there. */
export function shimSockets(address: string): string[] {
  const shims = listProcesses().filter(({ command }) => isShimOf(command, address))
  return shims.map(({ command }) => shimSocket(command, address))
}

/** The socket of a shim. @see containerd, runtime/v2/shim/util_unix.go, SocketAddress */
function shimSocket(command: string[], address: string): string {
  const option = (name: string) => command[command.indexOf(name) + 1] ?? ''
  const path = join(address, option('-namespace'), option('-id'))
  return join('/run/containerd/s', createHash('sha256').update(path).digest('hex'))
}

/** A shim names its containerd: `containerd-shim-runc-v2 -namespace N -id I -address SOCKET`. */
function shimsAndDescendants(address: string): Process[] {
  const processes = listProcesses()
  const doomed = processes.filter(({ command }) => isShimOf(command, address))
  for (const { pid } of doomed) doomed.push(...processes.filter(({ parent }) => parent === pid))
  return doomed
}

function isShimOf(command: string[], address: string): boolean {
  return command[0]?.includes('containerd-shim') === true && command.includes(address)
}

function listProcesses(): Process[] {
  const found: Process[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state === 'Z') continue
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      found.push({ pid: Number(name), parent: Number(parent), command })
    } catch {
      // It has ended meanwhile.
    }
  }
  return found
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

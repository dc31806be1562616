/** What a private containerd's tasks leave when they are ended from outside: processes and mounts. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
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
    for (const { pid } of doomed) kill(pid)
    await delay(10)
  }
}

/** A shim names its containerd: `containerd-shim-runc-v2 -namespace N -id I -address SOCKET`. */
function shimsAndDescendants(address: string): Process[] {
  const processes = listProcesses()
  const doomed = processes.filter(
    ({ command }) => command[0]?.includes('containerd-shim') && command.includes(address),
  )
  for (const { pid } of doomed) doomed.push(...processes.filter(({ parent }) => parent === pid))
  return doomed
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

/** Unmounts what is mounted below a folder, the latest first. */
export function unmountBelow(folder: string): void {
  for (const path of mountsBelow(folder).reverse()) execFileSync('umount', ['--', path])
}

/** Mount points below a folder in the order of mounting. @see proc(5), mountinfo */
export function mountsBelow(folder: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  const paths = lines.map((line) => decodeOctal(line.split(' ')[4] ?? ''))
  return paths.filter((path) => path.startsWith(`${folder}/`))
}

function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

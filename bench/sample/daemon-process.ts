/** Daemons of our own as child processes: containerd, a registry, a snapshotter. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Far more than any takes: a machine may be busy. */
const READY_TIMEOUT_MS = 60_000
const STOP_GRACE_MS = 5_000
const POLL_MS = 20

/** Starts it with its output appended to a log. Its folder for temporary files may be another than ours. */
export function startDaemon(command: string[], logPath: string, temporaryFolder?: string): ChildProcess {
  const log = openSync(logPath, 'a')
  // Its own process group: a Ctrl-C at the terminal is for us, who stop things in order. Should we be killed
  // outright, the parent-death signal ends the daemon.
  const child = spawn('setpriv', ['--pdeathsig', 'SIGTERM', ...command], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...(temporaryFolder === undefined ? {} : { TMPDIR: temporaryFolder }) },
  })
  closeSync(log)
  // Whoever waits is told; whoever does not, later sees that it has ended.
  child.on('error', () => {})
  return child
}

/**
 * Resolves when it answers.
 * @throws what the child failed with; an Error that says how it ended, or that it did not answer in time
 */
export async function untilReady(child: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`it ended with ${signal ?? `status ${code}`}`)))
  })
  failed.catch(() => {})
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!(await Promise.race([isReady(), failed]))) {
    if (performance.now() > deadline) throw new Error(`it did not answer within ${READY_TIMEOUT_MS / 1000} s`)
    await delay(POLL_MS)
  }
}

/** Whether something accepts connections at a socket. */
export async function accepts(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Ends it by a signal, and by SIGKILL when that is not heeded within seconds. */
export async function endDaemon(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const grace = new AbortController()
  const late = delay(STOP_GRACE_MS, undefined, { signal: grace.signal }).then(
    () => child.kill('SIGKILL'),
    () => {},
  )
  await ended
  grace.abort()
  await late
}

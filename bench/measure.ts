/** One measured command: what it cost its own processes, and what it cost the daemon it talks to. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { CodedError, PreconditionError, systemCodeOf } from '../shared/errors.ts'
import { TemporaryFiles } from './temporary-files.ts'

export interface Cost {
  wallSeconds: number
  /** User and system time of the command and of all its children that it waited for. */
  clientCpuSeconds: number
  /** The same of the daemon, while the command ran. */
  daemonCpuSeconds: number
  /** Of the command's largest process, ru_maxrss of getrusage(2). */
  peakRssBytes: number
  /** Disk that its temporary files took at the most. */
  spoolBytes: number
}

/** The kernel's unit in /proc/<pid>/stat: USER_HZ, 100 on every architecture Node runs on. */
const TICKS_PER_SECOND = 100

/**
 * wait4(2) gives the costs of one child exactly, and Node does not have it. The figures go to file descriptor 3;
 * the command gets everything else as it is. Its peak memory cannot come out lower than this script's (10 MB):
 * the kernel keeps the mark through exec.
 */
const WRAPPER = `
import json, os, sys, time
os.set_inheritable(3, False)
begun = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - begun
os.write(3, json.dumps({
  "status": os.waitstatus_to_exitcode(status),
  "wallSeconds": wall,
  "cpuSeconds": usage.ru_utime + usage.ru_stime,
  "maxRssKib": usage.ru_maxrss,
}).encode())
`

interface Usage {
  /** Negative: the number of the signal that ended it. */
  status: number
  wallSeconds: number
  cpuSeconds: number
  maxRssKib: number
}

/**
 * Runs a command to its end.
 * @param daemonPid the daemon, which must outlive the command; null: there is none
 * @throws {CodedError} COMMAND_FAILED with the end of its stderr; the signal's reason
 */
export async function measure(
  command: string[],
  options: { daemonPid: number | null; signal: AbortSignal },
): Promise<{ cost: Cost; output: string }> {
  const { daemonPid, signal } = options
  signal.throwIfAborted()
  const daemonBefore = daemonPid === null ? 0 : await cpuSecondsOf(daemonPid)
  const folder = await mkdtemp(join(tmpdir(), 'hl-bench-'))
  try {
    const { usage, output, spoolBytes } = await runWrapped(command, folder, signal)
    const daemonCpuSeconds = daemonPid === null ? 0 : (await cpuSecondsOf(daemonPid)) - daemonBefore
    const { wallSeconds, cpuSeconds: clientCpuSeconds, maxRssKib } = usage
    const peakRssBytes = maxRssKib * 1024
    return { cost: { wallSeconds, clientCpuSeconds, daemonCpuSeconds, peakRssBytes, spoolBytes }, output }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runWrapped(
  command: string[],
  temporaryFolder: string,
  signal: AbortSignal,
): Promise<{ usage: Usage; output: string; spoolBytes: number }> {
  // Its own process group: at an interruption we tell it once, wait for it, and only then take the daemon away.
  const child = spawn('python3', ['-c', WRAPPER, ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, TMPDIR: temporaryFolder },
  })
  const files = new TemporaryFiles(temporaryFolder, child.pid ?? 0)
  const interrupt = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  }
  signal.addEventListener('abort', interrupt)
  try {
    const failed = once(child, 'error').then(([cause]) => Promise.reject(spawnFailure(cause)))
    const [output, errors, figures] = await Promise.race([
      Promise.all([
        text(child.stdout as Readable),
        text(child.stderr as Readable),
        text(child.stdio[3] as Readable),
        once(child, 'close'),
      ]),
      failed,
    ])
    signal.throwIfAborted()
    const usage = figures === '' ? null : (JSON.parse(figures) as Usage)
    if (usage?.status === 0) return { usage, output, spoolBytes: files.peakBytes }
    const end = errors.trim().split('\n').slice(-5).join('\n')
    const message = `${command.join(' ')} ended with ${usage?.status ?? 'no status'}:\n${end}`
    throw new CodedError('COMMAND_FAILED', message)
  } finally {
    files.stop()
    signal.removeEventListener('abort', interrupt)
  }
}

function spawnFailure(cause: unknown): unknown {
  if (systemCodeOf(cause) !== 'ENOENT') return cause
  return new PreconditionError('PYTHON_MISSING', 'python3 is not on PATH: run bin/setup', { cause })
}

/** User and system time of a process and of its children that it waited for. @see proc_pid_stat(5) */
async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the command in parentheses, which may hold anything; utime is the fourteenth of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number)
  return (utime + stime + cutime + cstime) / TICKS_PER_SECOND
}

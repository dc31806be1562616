/** Runs a web image by containerd, without any part of the optimizer, and asks it for a page. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CodedError, messageOf, systemCodeOf } from '../../shared/errors.ts'
import type { PrivateContainerd } from './private-containerd.ts'
import type { SampleImage } from './sample-image.ts'

const ANSWER_TIMEOUT_MS = 30_000
const RETRY_MS = 50
/** Below those of ip_local_port_range, as Linux has it. */
const OWN_PORTS = { first: 20_000, end: 32_000 }

const execute = promisify(execFile)

/** Environment of the sample app: where it listens in the host's network. */
export function listenAt(port: number): string[] {
  return ['HOST=127.0.0.1', `PORT=${port}`]
}

/**
 * A port nobody listens on now. Not one that the kernel itself gives away: it would give it to the next who asks, before
 * whoever is told this one listens there.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(OWN_PORTS.first, OWN_PORTS.end)
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    } catch (error) {
      if (systemCodeOf(error) === 'EADDRINUSE') continue
      throw error
    }
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Puts the image into containerd under its own name; unpacks nothing. */
export async function importImage(
  daemon: PrivateContainerd,
  image: SampleImage,
  signal: AbortSignal,
): Promise<void> {
  const script = 'set -o pipefail; tar -C "$0" -c . | ctr "$@" image import --no-unpack -'
  const child = spawn('bash', ['-c', script, image.folder, ...ctrOptions(daemon)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  })
  const [status, errors] = await Promise.all([statusOf(child), text(child.stderr)])
  if (status !== 0)
    throw new CodedError('IMPORT_FAILED', `ctr image import ended with ${status}: ${errors.trim()}`)
}

/** Unpacks and runs the image by `ctr run`, asks it once for its front page, and stops it. */
export async function runAndAsk(
  daemon: PrivateContainerd,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const port = await findFreePort()
  const id = `sample-${randomUUID()}`
  const environment = listenAt(port).flatMap((variable) => ['--env', variable])
  // Its own process group: a Ctrl-C at the terminal is for us, who stop things in order.
  const ctr = spawn('ctr', [...ctrOptions(daemon), 'run', '--rm', '--net-host', ...environment, name, id], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const output = Promise.all([text(ctr.stdout), text(ctr.stderr)])
  const ended = new AbortController()
  const status = statusOf(ctr).finally(() => ended.abort())
  try {
    return await askUntilAnswered(port, AbortSignal.any([signal, ended.signal]))
  } catch (cause) {
    if (!ended.signal.aborted) throw cause
    const message = `${name} ended with ${await status} before it answered: ${(await output).join('').trim()}`
    throw new CodedError('RUN_FAILED', message, { cause })
  } finally {
    await stopTask(daemon, id, ended.signal)
    await status
  }
}

/**
 * By SIGKILL: a process 1 that has not come as far as its handlers does not get any other signal. Asked for until there is
 * a task to be killed: a ctr that is killed itself leaves what it has mounted to look into the image.
 */
async function stopTask(daemon: PrivateContainerd, id: string, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    try {
      await execute('ctr', [...ctrOptions(daemon), 'task', 'kill', '--signal', 'SIGKILL', id])
      return
    } catch {
      await delay(RETRY_MS)
    }
  }
}

/**
 * The front page, asked for again and again until somebody answers.
 * @throws {CodedError} NO_ANSWER; the signal's reason
 */
export async function askUntilAnswered(port: number, signal: AbortSignal): Promise<string> {
  const deadline = performance.now() + ANSWER_TIMEOUT_MS
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { signal })
      if (response.ok) return await response.text()
      throw new Error(`status ${response.status}`)
    } catch (cause) {
      signal.throwIfAborted()
      if (performance.now() > deadline) {
        const message = `nothing answered on port ${port} for ${ANSWER_TIMEOUT_MS / 1000} s: ${messageOf(cause)}`
        throw new CodedError('NO_ANSWER', message, { cause })
      }
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

function ctrOptions(daemon: PrivateContainerd): string[] {
  return ['--address', daemon.address, '--namespace', daemon.namespace]
}

async function statusOf(child: ChildProcess): Promise<number | string | null> {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return signal ?? code
}

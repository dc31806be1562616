/**
 * A containerd of our own: root, state and socket in one temporary folder, gone at the end.
 * For the sample run and for tests; it never touches the machine's own containerd.
 */
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unmountBelow } from '../../optimizer/workload/rootfs.ts'
import { CodedError, messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import { accepts, endDaemon, startDaemon, untilReady } from './daemon-process.ts'
import { cgroupsOf, namespaceCgroups, removeCgroups } from './leftover-cgroups.ts'
import { killProcesses } from './leftover-processes.ts'

export interface PrivateContainerd {
  /** Path of the socket. */
  readonly address: string
  /** A containerd namespace that nobody else uses. */
  readonly namespace: string
  /** Everything the daemon writes is below this folder. */
  readonly folder: string
  readonly pid: number
  /** What the daemon has logged so far. */
  readLog(): Promise<string>
  /** Ends the daemon alone, as a crash would: tasks, mounts and files stay. */
  crash(): Promise<void>
  /** Starts the daemon again on the same folder and waits until it answers. */
  restart(): Promise<void>
  /** Ends everything and removes every trace; safe to call again. */
  stop(): Promise<void>
}

/** sun_path holds 108 bytes, the terminating zero included; shim sockets are elsewhere. */
const SOCKET_PATH_BYTES_MAX = 100
/** The names of 1.6, 1.7 and 2.x together: a version ignores those it does not know. */
const DISABLED_PLUGINS = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.cri.v1.images',
  'io.containerd.cri.v1.runtime',
  'io.containerd.internal.v1.opt',
  'io.containerd.nri.v1.nri',
  'io.containerd.podsandbox.controller.v1.podsandbox',
  'io.containerd.grpc.v1.sandbox-controllers',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.blockfile',
]

/**
 * Starts the `containerd` found on PATH and resolves once its socket accepts connections.
 * @param options.snapshotters sockets of snapshotters outside of it, by the names that clients give them
 * @throws {PreconditionError} CONTAINERD_MISSING, PRIVILEGE_MISSING
 * @throws {CodedError} CONTAINERD_FAILED with the end of its log; nothing is left then
 */
export async function startPrivateContainerd(
  options: { snapshotters?: Record<string, string> } = {},
): Promise<PrivateContainerd> {
  if (process.getuid?.() !== 0)
    throw new PreconditionError('PRIVILEGE_MISSING', 'containerd needs root: run this as root (sudo)')
  const folder = await makeShortFolder()
  const daemon = new Daemon(folder)
  try {
    await daemon.prepare(options.snapshotters ?? {})
    await daemon.restart()
    return daemon
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

class Daemon implements PrivateContainerd {
  readonly folder: string
  readonly address: string
  readonly namespace = `hl-${randomBytes(5).toString('hex')}`
  #child: ChildProcess | null = null
  #stopped: Promise<void> | null = null

  constructor(folder: string) {
    this.folder = folder
    this.address = join(folder, 'containerd.sock')
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async prepare(snapshotters: Record<string, string>): Promise<void> {
    await mkdir(join(this.folder, 'tmp'))
    await writeFile(this.#configPath, configuration(this.folder, this.address, snapshotters))
  }

  get #configPath(): string {
    return join(this.folder, 'config.toml')
  }

  get #logPath(): string {
    return join(this.folder, 'containerd.log')
  }

  async readLog(): Promise<string> {
    return await readFile(this.#logPath, 'utf8').catch(() => '')
  }

  async restart(): Promise<void> {
    await this.crash()
    const command = ['containerd', '--config', this.#configPath]
    const child = startDaemon(command, this.#logPath, join(this.folder, 'tmp'))
    this.#child = child
    try {
      await untilReady(child, () => accepts(this.address))
    } catch (cause) {
      if (systemCodeOf(cause) === 'ENOENT') throw missing(cause)
      const tail = (await this.readLog()).trim().split('\n').slice(-5).join('\n')
      if (/containerd.*No such file/.test(tail)) throw missing(cause)
      const message = `a private containerd did not start: ${messageOf(cause)}; the end of its log:\n${tail}`
      throw new CodedError('CONTAINERD_FAILED', message, { cause })
    }
  }

  async crash(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.address, { force: true })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    // Tasks first: nothing holds mounts below the folder once they and their shims are gone.
    const runtimeState = join('/run/containerd/runc', this.namespace)
    const cgroups = await cgroupsOf(runtimeState)
    await killProcesses(this.address)
    await this.#end('SIGTERM')
    unmountBelow(this.folder)
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
    await removeCgroups([...cgroups, ...namespaceCgroups(this.namespace)])
    await rm(runtimeState, { recursive: true, force: true })
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child !== null) await endDaemon(child, signal)
  }
}

function configuration(folder: string, address: string, snapshotters: Record<string, string>): string {
  const text = (value: string) => JSON.stringify(value)
  const plugins = Object.entries(snapshotters).map(
    ([name, socket]) => `[proxy_plugins.${name}]\n  type = "snapshot"\n  address = ${text(socket)}\n`,
  )
  return `version = 2
root = ${text(join(folder, 'root'))}
state = ${text(join(folder, 'state'))}
disabled_plugins = [${DISABLED_PLUGINS.map(text).join(', ')}]

[grpc]
  address = ${text(address)}

[ttrpc]
  address = ${text(`${address}.ttrpc`)}

${plugins.join('\n')}`
}

async function makeShortFolder(): Promise<string> {
  const fits = tmpdir().length + '/hl-XXXXXX/containerd.sock.ttrpc'.length <= SOCKET_PATH_BYTES_MAX
  return await mkdtemp(join(fits ? tmpdir() : '/tmp', 'hl-'))
}

function missing(cause: unknown): PreconditionError {
  const message = 'containerd (or setpriv, of util-linux) is not on PATH: run bin/setup'
  return new PreconditionError('CONTAINERD_MISSING', message, { cause })
}

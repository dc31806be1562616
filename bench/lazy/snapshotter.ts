/** The lazily pulling snapshotter as a process of ours, gone with all its mounts at the end. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unmountBelow } from '../../optimizer/workload/rootfs.ts'
import { CodedError, PreconditionError } from '../../shared/errors.ts'
import { buildGoProgram, lackOfGo } from '../go-program.ts'
import { accepts, endDaemon, startDaemon, untilReady } from '../sample/daemon-process.ts'

export interface Snapshotter {
  /** Path of its socket. */
  readonly address: string
  /** Unmounts, ends it and removes its files; after the containerd that uses it. Safe to call again. */
  stop(): Promise<void>
}

const LIBRARIES = ['fs', 'snapshot'].map((name) => `github.com/containerd/stargz-snapshotter/${name}`)

/** Why there can be none on this machine, or false. */
export function lackOfSnapshotter(): string | false {
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse (modprobe fuse)'
  return lackOfGo(LIBRARIES)
}

/**
 * @param options.backgroundFetch false: only what is prefetched or read is ever fetched; else, as a client does by
 *   itself, the rest as well once it has had nothing to do for five seconds
 * @throws {PreconditionError} SNAPSHOTTER_MISSING
 * @throws {CodedError} SNAPSHOTTER_FAILED with the end of its log; nothing is left then
 */
export async function startSnapshotter(options: { backgroundFetch: boolean }): Promise<Snapshotter> {
  const lack = lackOfSnapshotter()
  if (lack) throw new PreconditionError('SNAPSHOTTER_MISSING', `no lazily pulling snapshotter: ${lack}`)
  const program = buildGoProgram(['bench/lazy-snapshotter/main.go'])
  const folder = await mkdtemp(join(tmpdir(), 'hl-lazy-'))
  const [address, root, log] = ['socket', 'root', 'log'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const settings = options.backgroundFetch ? [] : ['-no-background-fetch']
  const child = startDaemon([program, '-address', address, '-root', root, ...settings], log, folder)
  const stop = async () => {
    await endDaemon(child, 'SIGINT')
    unmountBelow(folder)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await untilReady(child, () => accepts(address))
    return { address, stop }
  } catch (cause) {
    const tail = (await readFile(log, 'utf8')).trim().split('\n').slice(-5).join('\n')
    await stop()
    const message = `the lazily pulling snapshotter did not start; the end of its log:\n${tail}`
    throw new CodedError('SNAPSHOTTER_FAILED', message, { cause })
  }
}

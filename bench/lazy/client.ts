/**
 * A machine that has never seen an image: a private containerd, with the lazily pulling snapshotter or without, and
 * the commands by which one pulls and runs. One is used for one cold start.
 */
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { CodedError } from '../../shared/errors.ts'
import { type PrivateContainerd, startPrivateContainerd } from '../sample/private-containerd.ts'
import { startSnapshotter } from './snapshotter.ts'

export type PullMode = 'full' | 'lazy'

export interface FirstRun {
  /** From the start of the command to the first byte of its output. */
  firstOutputMs: number
  output: string
}

/** The name by which containerd knows the snapshotter; the one that `ctr-remote image rpull` expects. */
const LAZY_SNAPSHOTTER = 'stargz'

const execute = promisify(execFile)

export class ColdClient {
  readonly daemon: PrivateContainerd
  readonly #mode: PullMode
  readonly #stops: (() => Promise<void>)[]

  private constructor(daemon: PrivateContainerd, mode: PullMode, stops: (() => Promise<void>)[]) {
    this.daemon = daemon
    this.#mode = mode
    this.#stops = stops
  }

  static async start(mode: PullMode, options = { backgroundFetch: true }): Promise<ColdClient> {
    if (mode === 'full') {
      const daemon = await startPrivateContainerd()
      return new ColdClient(daemon, mode, [() => daemon.stop()])
    }
    const snapshotter = await startSnapshotter(options)
    try {
      const daemon = await startPrivateContainerd({
        snapshotters: { [LAZY_SNAPSHOTTER]: snapshotter.address },
      })
      // Its mounts are in use until the containers are gone.
      return new ColdClient(daemon, mode, [() => daemon.stop(), () => snapshotter.stop()])
    } catch (error) {
      await snapshotter.stop()
      throw error
    }
  }

  get #where(): string[] {
    return ['--address', this.daemon.address, '--namespace', this.daemon.namespace]
  }

  /** Until the image can be run. Lazily: its layers are mounted, and only parts of them are here. */
  async pull(reference: string, signal?: AbortSignal): Promise<void> {
    const [command, verb] = this.#mode === 'lazy' ? ['ctr-remote', 'rpull'] : ['ctr', 'pull']
    await execute(command, [...this.#where, 'image', verb, ...this.#options, '--plain-http', reference], {
      signal,
    })
  }

  get #options(): string[] {
    return ['--snapshotter', this.#mode === 'lazy' ? LAZY_SNAPSHOTTER : 'overlayfs']
  }

  /**
   * Runs the image to its end.
   * @param onFirstOutput called at the first byte of it
   * @throws {CodedError} RUN_FAILED with what it wrote
   */
  async run(reference: string, onFirstOutput = () => {}, signal?: AbortSignal): Promise<FirstRun> {
    const begunAt = performance.now()
    const args = [...this.#where, 'run', '--rm', ...this.#options, reference, `cold-${randomUUID()}`]
    const child = spawn('ctr', args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
    let firstOutputMs = Number.NaN
    child.stdout.once('data', () => {
      firstOutputMs = performance.now() - begunAt
      onFirstOutput()
    })
    const [output, errors, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ])
    if (status === 0 && output !== '') return { firstOutputMs, output }
    throw new CodedError('RUN_FAILED', `${reference} ended with ${status}: ${output}${errors.trim()}`)
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop()
  }
}

/** Puts an image of a containerd into a registry. */
export async function push(daemon: PrivateContainerd, image: string, reference: string): Promise<void> {
  const where = ['--address', daemon.address, '--namespace', daemon.namespace]
  await execute('ctr', [...where, 'image', 'push', '--plain-http', reference, image])
}

/** A containerd with one test image, and runs of it. For root tests. */

import type { ContainerConfig } from '../../optimizer/image/manifest.ts'
import { ContainerdContentStore, ContainerdImageStore } from '../../optimizer/store/containerd.ts'
import { ContainerdEngine } from '../../optimizer/workload/containerd/engine.ts'
import { EarlyNotifier } from '../../optimizer/workload/early-notifier.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import { type ContainerdRun, withContainerdRun } from '../../optimizer/workload/run.ts'
import { runWorkload, type WorkloadRun } from '../../optimizer/workload/run-workload.ts'
import type { NextInterrupt } from '../../optimizer/workload/stop-rules/interrupt.ts'
import type { Access } from '../../shared/messages.ts'
import { PHASE } from '../../shared/messages.ts'
import { busyboxFiles, type LayerFiles, putImage, type TestImage } from './busybox-image.ts'
import { openContainerd, type TestContainerd } from './containerd.ts'
import { leftovers } from './leftovers.ts'

export interface RunSettings {
  options?: Partial<WorkloadOptions>
  signal?: AbortSignal
  nextInterrupt?: NextInterrupt
  /** Called after the unpacking, before the workload. */
  before?: (run: ContainerdRun) => void
  onLine?: (line: string) => void
  /** false: what it prints is not kept in `lines`. */
  keepLines?: boolean
}

export class WorkloadBench {
  readonly containerd: TestContainerd
  /** Lines of the last run's output. */
  lines: string[] = []
  /** What was logged as a warning, of all runs. */
  readonly warnings: string[] = []

  private constructor(containerd: TestContainerd) {
    this.containerd = containerd
  }

  static async open(): Promise<WorkloadBench> {
    return new WorkloadBench(await openContainerd())
  }

  async close(): Promise<void> {
    await this.containerd.stop()
  }

  /** An image of busybox and these layers on top. */
  async image(layers: LayerFiles[], config: ContainerConfig, name = 'test'): Promise<TestImage> {
    const { client } = this.containerd
    await client.leases.create('image', {}, new Date(Date.now() + 3600_000))
    const leased = client.underLease('image')
    const stores = {
      content: new ContainerdContentStore(leased, 'image'),
      images: new ContainerdImageStore(leased),
    }
    const image = await putImage(stores, name, [busyboxFiles(), ...layers], config)
    await client.leases.delete('image')
    return image
  }

  /** Runs a shell script in the image. */
  async shell(image: TestImage, script: string, settings: RunSettings = {}): Promise<WorkloadRun> {
    const options = { entrypoint: ['/bin/sh', '-c', script], ...settings.options }
    return await this.run(image, { ...settings, options })
  }

  async run(image: TestImage, settings: RunSettings = {}): Promise<WorkloadRun> {
    this.lines = []
    const waits = settings.options?.waitOnSignal
    const options: WorkloadOptions = {
      env: [],
      netHost: false,
      ...(waits ? {} : { periodSeconds: 30 }),
      stopTimeoutSeconds: 1,
      snapshotter: 'overlayfs',
      ...settings.options,
    }
    const { snapshotter } = options
    const log = { debug() {}, info() {}, warn: (message: string) => void this.warnings.push(message) }
    return await withContainerdRun(
      { containerd: this.containerd.client, version: '0.0.0-test', snapshotter, log },
      async (run) => {
        const signal = settings.signal ?? new AbortController().signal
        const engine = new ContainerdEngine(run, snapshotter)
        const unpacked = await engine.unpack(image, signal)
        settings.before?.(run)
        const output = (_: string, line: string) => {
          if (settings.keepLines !== false) this.lines.push(line)
          settings.onLine?.(line)
        }
        const { nextInterrupt } = settings
        const interrupts = nextInterrupt === undefined ? {} : { nextInterrupt }
        const notifier = EarlyNotifier.start(run, options, signal)
        return await runWorkload(run, engine, {
          image,
          unpacked,
          options,
          notifier,
          output,
          signal,
          ...interrupts,
        })
      },
    )
  }

  leftovers(): Promise<string[]> {
    return leftovers(this.containerd.client)
  }
}

/** Paths of the run phase, each once, in order. */
export function runPaths(accesses: readonly Access[]): string[] {
  const paths = accesses.filter(({ phase }) => phase === PHASE.run).map(({ path }) => path.toString('latin1'))
  return [...new Set(paths)]
}

/** A program that runs a workload with much output and an ingest under way until somebody kills it. */
import { randomBytes } from 'node:crypto'
import { Containerd } from '../../optimizer/containerd/client.ts'
import type { Digest } from '../../optimizer/image/digest.ts'
import { parseConfig, parseManifest } from '../../optimizer/image/manifest.ts'
import { ContainerdContentStore } from '../../optimizer/store/containerd.ts'
import { ContainerdEngine } from '../../optimizer/workload/containerd/engine.ts'
import { EarlyNotifier } from '../../optimizer/workload/early-notifier.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import { withContainerdRun } from '../../optimizer/workload/run.ts'
import { runWorkload } from '../../optimizer/workload/run-workload.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const [, , address = '', namespace = '', manifestDigest = ''] = process.argv
const containerd = await Containerd.connect(address, namespace)
const snapshotter = 'overlayfs'
const options = { containerd, version: '0.0.0-test', snapshotter, log: SILENT_LOG }
await withContainerdRun(options, async (run) => {
  const content = new ContainerdContentStore(run.containerd, run.id)
  const read = async (digest: string) => {
    const pieces: Buffer[] = []
    for await (const piece of content.read(digest as Digest)) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  const manifest = parseManifest(await read(manifestDigest), manifestDigest)
  const config = parseConfig(await read(manifest.config.digest), 'config')
  const writer = await content.writer('unfinished')
  // More than the window: the daemon has acknowledged some of it when this resolves.
  await writer.write(randomBytes(8 * 1024 * 1024))
  const { signal } = new AbortController()
  const engine = new ContainerdEngine(run, snapshotter)
  const unpacked = await engine.unpack({ manifest, config }, signal)
  const workload: WorkloadOptions = {
    entrypoint: ['sh', '-c', 'while :; do seq 1 1000; done'],
    env: [],
    netHost: false,
    periodSeconds: 600,
    stopTimeoutSeconds: 5,
    snapshotter,
  }
  await runWorkload(run, engine, {
    image: { name: 'test', config },
    unpacked,
    options: workload,
    notifier: EarlyNotifier.start(run, workload, signal),
    // The first line tells whoever waits that everything is under way.
    output: (_, line) => void process.stdout.write(`${line}\n`),
    signal,
  })
})

/** A program that runs a workload with much output and an ingest under way until somebody kills it. */
import { randomBytes } from 'node:crypto'
import { Containerd } from '../../optimizer/containerd/client.ts'
import type { Digest } from '../../optimizer/image/digest.ts'
import { parseConfig, parseManifest } from '../../optimizer/image/manifest.ts'
import { ContainerdContentStore } from '../../optimizer/store/containerd.ts'
import { EarlyNotifier } from '../../optimizer/workload/early-notifier.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import { withRun } from '../../optimizer/workload/run.ts'
import { runWorkload } from '../../optimizer/workload/run-workload.ts'
import { unpackImage } from '../../optimizer/workload/unpack.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const [, , address = '', namespace = '', manifestDigest = ''] = process.argv
const containerd = await Containerd.connect(address, namespace)
const snapshotter = 'overlayfs'
await withRun({ containerd, version: '0.0.0-test', snapshotter, log: SILENT_LOG }, async (run) => {
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
  const chainId = await unpackImage(run, { manifest, config, snapshotter })
  const { signal } = new AbortController()
  const options: WorkloadOptions = {
    entrypoint: ['sh', '-c', 'while :; do seq 1 1000; done'],
    env: [],
    netHost: false,
    periodSeconds: 600,
    stopTimeoutSeconds: 5,
    snapshotter,
  }
  await runWorkload(run, {
    image: { name: 'test', config },
    chainId,
    options,
    notifier: EarlyNotifier.start(run, options, signal),
    // The first line tells whoever waits that everything is under way.
    output: (_, line) => void process.stdout.write(`${line}\n`),
    signal,
  })
})

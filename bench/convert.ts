/**
 * The conversion side by side with Debian's `ctr-remote image convert`, in one run, on one image, in one private
 * containerd: docs/benchmarks.md says what is measured and why so.
 *
 *   npm run --silent bench -- [--rounds 3] [--image large|web] [--json]
 *
 * stdout is the table, stderr the progress.
 */
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { formatSeconds } from '../optimizer/console.ts'
import type { OptimizeResult } from '../optimizer/result.ts'
import { CodedError, messageOf, UsageError } from '../shared/errors.ts'
import { roundsOf, runBench, say } from './command.ts'
import { type Contestant, OURS, PEERS } from './contestants.ts'
import {
  formatReport,
  type ImageFacts,
  type Measured,
  makeReport,
  type Report,
  type Run,
} from './convert-report.ts'
import { describeMachine } from './machine.ts'
import { measure } from './measure.ts'
import { type PrivateContainerd, startPrivateContainerd } from './sample/private-containerd.ts'
import { importImage } from './sample/run-image.ts'
import { buildSampleImage, type SampleKind } from './sample/sample-image.ts'
import { rotated, sum } from './statistics.ts'
import { layerSizes, listBlobs, removeImage } from './stored-image.ts'

interface Options {
  rounds: number
  kind: SampleKind
  json: boolean
}

const execute = promisify(execFile)

function readOptions(): Options {
  const { rounds, image, json } = parseOptions()
  if (image !== 'large' && image !== 'web')
    throw new UsageError('IMAGE_INVALID', `--image ${image}: give large or web`)
  return { rounds: roundsOf(rounds), kind: image, json }
}

function parseOptions(): { rounds: string; image: string; json: boolean } {
  try {
    return parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        image: { type: 'string', default: 'large' },
        json: { type: 'boolean', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare({ rounds, kind }: Options, signal: AbortSignal): Promise<Report> {
  const versions = await describeMachine()
  const sample = await buildSampleImage({ kind, log: { debug() {}, info: say, warn: say }, signal })
  say('starting a private containerd')
  const daemon = await startPrivateContainerd()
  try {
    signal.throwIfAborted()
    say(`importing ${sample.name}`)
    await importImage(daemon, sample, signal)
    const arena = new Arena(daemon, sample.name, signal)
    const ours: Measured = { id: OURS.id, title: OURS.title, rounds: [] }
    const peers: Measured[] = PEERS.map(({ id, title }) => ({ id, title, rounds: [] }))
    const everyone = [OURS, ...PEERS].map((contestant, index) => ({
      contestant,
      measured: index === 0 ? ours : (peers[index - 1] as Measured),
    }))
    for (let round = 0; round < rounds; round++) {
      for (const { contestant, measured } of rotated(everyone, round))
        measured.rounds.push(await arena.run(contestant, `round ${round + 1} of ${rounds}`))
    }
    return makeReport({ versions, image: await arena.describeImage(), ours, peers })
  } finally {
    say('removing the private containerd')
    await daemon.stop()
  }
}

/** One image in one containerd, which every run finds as the first one did. */
class Arena {
  readonly #daemon: PrivateContainerd
  readonly #source: string
  readonly #signal: AbortSignal
  #runs = 0
  /** What our program says of the image it converted. */
  #result: OptimizeResult | null = null

  constructor(daemon: PrivateContainerd, source: string, signal: AbortSignal) {
    this.#daemon = daemon
    this.#source = source
    this.#signal = signal
  }

  async run(contestant: Contestant, round: string): Promise<Run> {
    const daemon = this.#daemon
    const target = `bench.invalid/${contestant.id}:run-${++this.#runs}`
    const before = await listBlobs(daemon)
    // Nobody waits for the disk on behalf of the one before.
    await execute('sync')
    const where = ['--address', daemon.address, '--namespace', daemon.namespace]
    const { cost, output } = await measure(contestant.command(where, this.#source, target), {
      daemonPid: daemon.pid,
      signal: this.#signal,
    })
    if (contestant === OURS) this.#result = JSON.parse(output) as OptimizeResult
    const outputBytes = await this.#sizeOfNewLayers(target, before)
    await this.#remove(target, before)
    say(`${round}: ${contestant.title}: ${formatSeconds(cost.wallSeconds)}`)
    return { ...cost, outputBytes }
  }

  /** Checked to be whole, and written in this run: a blob that was there already would have cost nothing. */
  async #sizeOfNewLayers(target: string, before: Set<string>): Promise<number> {
    const [sizes, expected] = [
      await layerSizes(this.#daemon, target),
      await layerSizes(this.#daemon, this.#source),
    ]
    const added = newBlobs(await listBlobs(this.#daemon), before).length
    // The layers, and a config and a manifest.
    if (sizes.length !== expected.length || added < sizes.length + 2)
      throw new CodedError('TARGET_NOT_NEW', `${target}: ${sizes.length} layers, ${added} new blobs`)
    return sum(sizes)
  }

  async #remove(target: string, before: Set<string>): Promise<void> {
    await removeImage(this.#daemon, target)
    const left = newBlobs(await listBlobs(this.#daemon), before)
    if (left.length > 0)
      throw new CodedError('TARGET_STAYS', `${target} was removed, and these blobs stay: ${left.join(' ')}`)
  }

  async describeImage(): Promise<ImageFacts> {
    const sizes = await layerSizes(this.#daemon, this.#source)
    const layers = this.#result?.layers ?? []
    return {
      name: this.#source,
      layers: sizes.length,
      compressedBytes: sum(sizes),
      uncompressedBytes: sum(layers.map((layer) => layer.uncompressedBytes)),
      entries: sum(layers.map((layer) => layer.entries)),
    }
  }
}

function newBlobs(now: Set<string>, before: Set<string>): string[] {
  return [...now].filter((digest) => !before.has(digest))
}

await runBench(async (signal) => {
  const options = readOptions()
  const report = await compare(options, signal)
  return options.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report)
})

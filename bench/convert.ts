/**
 * The conversion side by side with Debian's `ctr-remote image convert`, in one run, on one image at a time, in one
 * private containerd: docs/benchmarks.md says what is measured and why so.
 *
 *   npm run --silent bench -- [--rounds 3] [--shape NAME]... [--contestant NAME]... [--scale 1] [--json]
 *
 * Shapes: mixed, small-files, one-file; web, for a quick look. stdout is the table, stderr the progress.
 */
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { formatSeconds } from '../optimizer/console.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { CodedError, messageOf, UsageError } from '../shared/errors.ts'
import { chosen, roundsOf, runBench, say, scaleOf } from './command.ts'
import { CONTESTANT_IDS, type Contestant, contestants, USUAL_IDS } from './contestants.ts'
import {
  formatReport,
  type ImageFacts,
  type Measured,
  type Report,
  type Run,
  type ShapeReport,
  shapeReport,
} from './convert-report.ts'
import { describeMachine, versionOf } from './machine.ts'
import { measure } from './measure.ts'
import { findNewerPeer } from './newer-peer.ts'
import { type PrivateContainerd, startPrivateContainerd } from './sample/private-containerd.ts'
import { importImage } from './sample/run-image.ts'
import { buildSampleImage, type SampleImage } from './sample/sample-image.ts'
import { buildSyntheticImage } from './sample/synthetic-image.ts'
import { rotated, sum } from './statistics.ts'
import { layerSizes, listBlobs, removeImage } from './stored-image.ts'

const SHAPES = ['mixed', 'small-files', 'one-file', 'web'] as const
type Shape = (typeof SHAPES)[number]

interface Options {
  rounds: number
  shapes: Shape[]
  contestants: string[]
  scale: number
  json: boolean
}

const execute = promisify(execFile)

function readOptions(): Options {
  const options = {
    rounds: { type: 'string', default: '3' },
    shape: { type: 'string', multiple: true },
    contestant: { type: 'string', multiple: true },
    scale: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  } as const
  try {
    const { rounds, shape, contestant, scale, json } = parseArgs({ options }).values
    return {
      rounds: roundsOf(rounds),
      shapes: chosen('shape', shape ?? ['mixed', 'small-files', 'one-file'], SHAPES),
      contestants: chosen('contestant', contestant ?? [...USUAL_IDS], CONTESTANT_IDS),
      scale: scaleOf(scale),
      json,
    }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare(options: Options, signal: AbortSignal): Promise<Report> {
  const { rounds, shapes } = options
  const wantsNewer = options.contestants.some((id) => id.startsWith('newer'))
  const newer = wantsNewer ? await findNewerPeer(signal) : null
  const versions = await describeMachine()
  if (newer !== null) versions.push(['newer ctr-remote', await versionOf(newer, 'stargz-snapshotter')])
  // Ours always runs: it also says what the image is, and what the others' figures are divided by.
  const entrants = contestants(newer).filter(({ id }) => id === 'ours' || options.contestants.includes(id))
  const reports: ShapeReport[] = []
  for (const shape of shapes) reports.push(await compareShape(shape, entrants, options, signal))
  return { schemaVersion: 2, versions, rounds, shapes: reports }
}

async function compareShape(
  shape: Shape,
  entrants: Contestant[],
  { rounds, scale }: Options,
  signal: AbortSignal,
): Promise<ShapeReport> {
  const sample = await buildShape(shape, scale, signal)
  say('starting a private containerd')
  const daemon = await startPrivateContainerd()
  try {
    signal.throwIfAborted()
    say(`importing ${sample.name}`)
    await importImage(daemon, sample, signal)
    const arena = new Arena(daemon, sample.name, signal)
    const everyone = entrants.map((contestant) => {
      const { id, title, format, isOurs } = contestant
      const measured: Measured = { id, title, format, isOurs, rounds: [] }
      return { contestant, measured }
    })
    for (let round = 0; round < rounds; round++) {
      for (const { contestant, measured } of rotated(everyone, round))
        measured.rounds.push(await arena.run(contestant, `${shape}: round ${round + 1} of ${rounds}`))
    }
    return shapeReport(
      await arena.describeImage(),
      everyone.map(({ measured }) => measured),
    )
  } finally {
    say('removing the private containerd')
    await daemon.stop()
  }
}

async function buildShape(shape: Shape, scale: number, signal: AbortSignal): Promise<SampleImage> {
  const context = { log: { debug() {}, info: say, warn: say }, signal }
  if (shape === 'small-files' || shape === 'one-file')
    return await buildSyntheticImage({ kind: shape, scale, ...context })
  return await buildSampleImage({ kind: shape === 'mixed' ? 'large' : 'web', ...context })
}

/** One image in one containerd, which every run finds as the first one did. */
class Arena {
  readonly #daemon: PrivateContainerd
  readonly #source: string
  readonly #signal: AbortSignal
  #runs = 0
  /** What our program says of the image it converted. */
  #result: ConversionResult | null = null

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
    if (contestant.id === 'ours') this.#result = JSON.parse(output) as ConversionResult
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

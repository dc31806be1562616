/**
 * How soon a container says its first word on a machine that has never seen its image: pulled in full, and lazily as
 * eStargz in source order, as the original program's result and as ours. docs/benchmarks.md says what is measured.
 *
 *   npm run --silent bench:start -- [--rounds 5] [--image NAME]... [--link slow|loopback]... [--row ID]... [--json]
 *     [--rows-out FOLDER]
 *
 * Images: interpreter and compiler; small, for a quick look. stdout is the table, stderr the progress. --rows-out
 * stores each image's rows, and what a model of the client has to know of them (docs/simulator.md); it needs the rows
 * `unordered` and `optimizer`.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { formatSeconds } from '../optimizer/console.ts'
import type { Inspection } from '../optimizer/inspect.ts'
import type { ImageAnalysis } from '../optimizer/plan/analysis.ts'
import { CodedError, messageOf, PreconditionError, UsageError } from '../shared/errors.ts'
import { chosen, roundsOf, runBench, say } from './command.ts'
import { ColdClient, push } from './lazy/client.ts'
import type { LinkSpeed } from './lazy/link.ts'
import { MeteredProxy } from './lazy/metered-proxy.ts'
import { type Registry, startRegistry } from './lazy/registry.ts'
import { lackOfSnapshotter } from './lazy/snapshotter.ts'
import { describeStartMachine } from './machine.ts'
import { containerdOptions, explained, optimizerJson } from './own-images.ts'
import { type PrivateContainerd, startPrivateContainerd } from './sample/private-containerd.ts'
import { importImage } from './sample/run-image.ts'
import { buildSampleImage, type SampleImage } from './sample/sample-image.ts'
import {
  type ColdStart,
  formatStartReport,
  type LayerFacts,
  type MeasuredRow,
  measuredRow,
  type StartReport,
} from './start-report.ts'
import { START_ROWS, type StartRow } from './start-rows.ts'
import { rotated } from './statistics.ts'
import { storeStarts } from './stored-starts.ts'

/** What each image's workload says. */
const WORDS = { small: '200 OK\n', interpreter: '200 OK\n', compiler: '42\n' } as const
const LINKS = {
  slow: { title: '100 Mbit/s, 20 ms round trip', speed: { bitsPerSecond: 100e6, roundTripMs: 20 } },
  loopback: { title: 'loopback', speed: null },
} satisfies Record<string, { title: string; speed: LinkSpeed | null }>

type ImageKind = keyof typeof WORDS
type LinkName = keyof typeof LINKS

interface Options {
  rounds: number
  kinds: ImageKind[]
  links: LinkName[]
  rows: StartRow[]
  json: boolean
  /** A folder, or null. */
  rowsOut: string | null
}

const execute = promisify(execFile)

function readOptions(): Options {
  const options = {
    rounds: { type: 'string', default: '5' },
    image: { type: 'string', multiple: true },
    link: { type: 'string', multiple: true },
    row: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    'rows-out': { type: 'string' },
  } as const
  try {
    const { rounds, image, link, row, json, 'rows-out': rowsOut } = parseArgs({ options }).values
    const ids = START_ROWS.map(({ id }) => id)
    const rows = chosen('row', row, ids)
    return {
      rounds: roundsOf(rounds),
      kinds: chosen('image', image ?? ['interpreter', 'compiler'], Object.keys(WORDS) as ImageKind[]),
      links: chosen('link', link, ['slow', 'loopback']),
      rows: START_ROWS.filter(({ id }) => rows.includes(id)),
      json,
      rowsOut: rowsOut ?? null,
    }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare(options: Options, signal: AbortSignal): Promise<StartReport> {
  const { rounds, kinds, links, rowsOut } = options
  const lack = lackOfSnapshotter()
  if (lack) throw new PreconditionError('SNAPSHOTTER_MISSING', `no lazily pulling snapshotter: ${lack}`)
  const versions = await describeStartMachine()
  const registry = await startRegistry()
  const proxies = new Map<LinkName, MeteredProxy>()
  try {
    for (const link of links) proxies.set(link, await MeteredProxy.start(registry.port, LINKS[link].speed))
    const images: StartReport['images'] = []
    for (const kind of kinds) {
      const sample = await buildSampleImage({ kind, log: { debug() {}, info: say, warn: say }, signal })
      const rows = await prepareRows(sample, kind, { ...options, registry }, signal)
      for (let round = 0; round < rounds; round++)
        for (const [link, proxy] of proxies)
          for (const { row, measured } of rotated(rows, round)) {
            const start = await coldStart(row, kind, proxy, signal)
            measured.starts[link] = [...(measured.starts[link] ?? []), start]
            say(
              `round ${round + 1} of ${rounds}: ${link}: ${row.title}: ${formatSeconds(start.totalMs / 1000)}`,
            )
          }
      if (rowsOut !== null) {
        const measured = rows.map((row) => ({ ...row.measured, analysis: row.analysis }))
        await storeStarts(
          rowsOut,
          kind,
          measured,
          links.map((id) => ({ id, speed: LINKS[id].speed })),
        )
      }
      images.push({
        name: sample.name,
        layerTitles: sample.layerTitles,
        rows: rows.map(({ measured }) => measured),
      })
    }
    return {
      schemaVersion: 1,
      ...{ versions, rounds, images },
      links: links.map((id) => ({ id, title: LINKS[id].title })),
    }
  } finally {
    for (const proxy of proxies.values()) await proxy.stop()
    await registry.stop()
  }
}

interface PreparedRow {
  row: StartRow
  measured: MeasuredRow
  /** With our record; null where nothing is stored, and where there is no table of contents. */
  analysis: ImageAnalysis | null
}

/** Makes every row's image of the sample, and puts them all into the registry. */
async function prepareRows(
  sample: SampleImage,
  kind: ImageKind,
  { registry, rows: wanted, rowsOut }: { registry: Registry; rows: StartRow[]; rowsOut: string | null },
  signal: AbortSignal,
): Promise<PreparedRow[]> {
  const daemon = await startPrivateContainerd()
  try {
    say(`importing ${sample.name}`)
    await importImage(daemon, sample, signal)
    const made: { row: StartRow; image: string }[] = []
    for (const row of wanted) {
      const image = await makeImage(daemon, row, sample.name, signal)
      await push(daemon, image, `127.0.0.1:${registry.port}/${kind}:${row.id}`)
      made.push({ row, image })
    }
    const rows: PreparedRow[] = []
    for (const { row, image } of made) {
      const measured = measuredRow(row, await inspectLayers(daemon, image))
      const stores = rowsOut !== null && row.mode === 'lazy'
      rows.push({
        row,
        measured,
        analysis: stores ? await explained(daemon, image, ownRecord(daemon)) : null,
      })
    }
    return rows
  } finally {
    await daemon.stop()
  }
}

async function makeImage(
  daemon: PrivateContainerd,
  row: StartRow,
  source: string,
  signal: AbortSignal,
): Promise<string> {
  if (row.command === null) return source
  const target = `bench.invalid/start:${row.id}`
  const record = join(daemon.folder, 'bench.record')
  const making = {
    containerd: containerdOptions(daemon),
    source,
    target,
    record,
    ownRecord: ownRecord(daemon),
  }
  const [program = '', ...args] = row.command(making)
  say(`making: ${row.title}`)
  await execute(program, args, { signal, maxBuffer: Number.POSITIVE_INFINITY })
  return target
}

async function inspectLayers(daemon: PrivateContainerd, image: string): Promise<LayerFacts[]> {
  const { layers } = await optimizerJson<Inspection>(daemon, ['inspect', image])
  return layers.map(({ sizeBytes, toc }) => ({
    sizeBytes,
    hotZone: toc === null ? null : { bytes: toc.hotZoneBytes, files: toc.prioritizedFiles },
  }))
}

function ownRecord(daemon: PrivateContainerd): string {
  return join(daemon.folder, 'own.record')
}

/** On a client that has nothing of the image, and never had. */
async function coldStart(
  row: StartRow,
  kind: ImageKind,
  proxy: MeteredProxy,
  signal: AbortSignal,
): Promise<ColdStart> {
  const reference = `127.0.0.1:${proxy.port}/${kind}:${row.id}`
  const client = await ColdClient.start(row.mode)
  try {
    // Nobody waits for the disk on behalf of the one before.
    await execute('sync')
    const [bytesBefore, requestsBefore] = [proxy.bytes, proxy.requests.length]
    let [wireBytes, requests] = [0, 0]
    const begunAt = performance.now()
    await client.pull(reference, signal)
    const pullMs = performance.now() - begunAt
    const onFirstOutput = () => {
      wireBytes = proxy.bytes - bytesBefore
      requests = proxy.requests.length - requestsBefore
    }
    const { firstOutputMs, output } = await client.run(reference, onFirstOutput, signal)
    if (output !== WORDS[kind])
      throw new CodedError('OUTPUT_DIFFERS', `${row.title} of ${kind} said ${JSON.stringify(output)}`)
    return { pullMs, runMs: firstOutputMs, totalMs: pullMs + firstOutputMs, wireBytes, requests }
  } finally {
    await client.stop()
  }
}

await runBench(async (signal) => {
  const options = readOptions()
  const report = await compare(options, signal)
  return options.json ? `${JSON.stringify(report, null, 2)}\n` : formatStartReport(report)
})

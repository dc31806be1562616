/**
 * From registry to registry: the chain of commands that people had to type, and ours. Each round begins cold, with a
 * containerd of its own for the chain and an empty cache for ours; docs/benchmarks.md says what is measured.
 *
 *   npm run --silent bench:registry -- [--task optimize|record] [--rounds 3] [--image interpreter|compiler|small]
 *     [--link NAME]... [--json]
 *
 * Tasks: optimize, both ways; record, ours alone: with an empty cache of unpacked layers, and again with what is in it then.
 * Links: loopback; slow, 100 Mbit/s each way and 20 ms. stdout is the table, stderr the progress.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { formatBytes, formatSeconds } from '../optimizer/console.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { formatTable } from '../optimizer/table.ts'
import { CodedError, messageOf, UsageError } from '../shared/errors.ts'
import { chosen, roundsOf, runBench, say } from './command.ts'
import { OPTIMIZER } from './contestants.ts'
import { type Registry, startRegistry } from './lazy/registry.ts'
import { TwoWayLink } from './lazy/two-way-link.ts'
import { describeStartMachine } from './machine.ts'
import { measure } from './measure.ts'
import { startPrivateContainerd } from './sample/private-containerd.ts'
import { buildSampleImage, type SampleKind } from './sample/sample-image.ts'
import { median } from './statistics.ts'

const LINKS = {
  loopback: null,
  slow: { bitsPerSecond: 100e6, roundTripMs: 20 },
} as const
type LinkName = keyof typeof LINKS
const KINDS: SampleKind[] = ['interpreter', 'compiler', 'small']
const TITLES = {
  optimize: {
    ours: 'optimizer optimize docker://… docker://…',
    chain: 'skopeo, import, ctr-remote, push',
  },
  record: { cold: 'optimizer record docker://…', warm: 'the same again' },
} as const
type Task = keyof typeof TITLES
const TASKS: Task[] = ['optimize', 'record']

/** The usual way, as its documents have it. $1: source, $2: target, $3: a file; the rest: which containerd. */
const CHAIN = `
set -eu
source=$1 target=$2 file=$3; shift 3
skopeo --insecure-policy copy --quiet --src-tls-verify=false "docker://$source" "oci-archive:$file:image"
ctr "$@" image import --index-name "$source" "$file" >/dev/null
rm "$file"
ctr-remote "$@" image optimize --oci --period 60 "$source" "$target" >/dev/null
ctr "$@" image push --plain-http "$target" >/dev/null
`

interface Cost {
  wallSeconds: number
  cpuSeconds: number
  downBytes: number
  upBytes: number
  diskBytes: number
  /** Of the workload alone; null where nobody says. */
  workloadSeconds: number | null
}

interface Row {
  id: 'ours' | 'chain' | 'cold' | 'warm'
  title: string
  costs: Cost[]
}

interface Options {
  task: Task
  rounds: number
  kind: SampleKind
  links: LinkName[]
  json: boolean
}

const execute = promisify(execFile)

function readOptions(): Options {
  const options = {
    task: { type: 'string', default: 'optimize' },
    rounds: { type: 'string', default: '3' },
    image: { type: 'string', default: 'interpreter' },
    link: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  } as const
  try {
    const { task: asked, rounds, image, link, json } = parseArgs({ options }).values
    const [kind = 'interpreter'] = chosen('image', [image], KINDS)
    const [task = 'optimize'] = chosen('task', [asked], TASKS)
    return { task, rounds: roundsOf(rounds), kind, links: chosen('link', link, ['loopback', 'slow']), json }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare({ task, rounds, kind, links }: Options, signal: AbortSignal) {
  const versions = await describeStartMachine()
  const sample = await buildSampleImage({ kind, log: { debug() {}, info: say, warn: say }, signal })
  const registry = await startRegistry()
  try {
    const source = `127.0.0.1:${registry.port}/bench/source:1`
    const args = [
      OPTIMIZER,
      'convert',
      `oci:${sample.folder}`,
      `docker://${source}`,
      '--no-optimize',
      '--fast',
    ]
    await execute(process.execPath, args)
    const tables: { link: LinkName; rows: Row[] }[] = []
    for (const link of links)
      tables.push({ link, rows: await compareOver(link, registry, { task, rounds }, signal) })
    return { schemaVersion: 1, versions, image: sample.name, rounds, tables }
  } finally {
    await registry.stop()
  }
}

async function compareOver(
  name: LinkName,
  registry: Registry,
  { task, rounds }: Pick<Options, 'task' | 'rounds'>,
  signal: AbortSignal,
): Promise<Row[]> {
  const rows = Object.entries(TITLES[task]).map(([id, title]) => ({ id, title, costs: [] }) as unknown as Row)
  const link = await TwoWayLink.start(registry.port, LINKS[name])
  try {
    for (let round = 1; round <= rounds; round++) {
      const cache = await mkdtemp(join(tmpdir(), 'hl-bench-cache-'))
      try {
        for (const row of task === 'record' || round % 2 === 1 ? rows : rows.toReversed()) {
          const place = (image: string) => `127.0.0.1:${link.port}/bench/${image}`
          const target = place(`${row.id}-${name}-${round}:1`)
          link.reset()
          await execute('sync')
          const cost = await runRow(row.id, { source: place('source:1'), target, cache }, signal)
          row.costs.push({ ...cost, downBytes: link.downBytes, upBytes: link.upBytes })
          say(`round ${round} of ${rounds}: ${name}: ${row.title}: ${formatSeconds(cost.wallSeconds)}`)
        }
      } finally {
        await rm(cache, { recursive: true, force: true })
      }
    }
    return rows
  } finally {
    await link.stop()
  }
}

type OwnCost = Omit<Cost, 'downBytes' | 'upBytes'>

interface Places {
  source: string
  target: string
  /** For layers unpacked by ours; of this round. */
  cache: string
}

async function runRow(id: Row['id'], places: Places, signal: AbortSignal): Promise<OwnCost> {
  const { source, target, cache } = places
  if (id === 'chain') return await runChain(source, target, signal)
  const images = [`docker://${source}`, ...(id === 'ours' ? [`docker://${target}`] : [])]
  const command = [process.execPath, OPTIMIZER, id === 'ours' ? 'optimize' : 'record', ...images]
  const options = ['--runner', 'runc', '--cache-dir', cache, '--period', '60', '--json']
  const { cost, output } = await measure([...command, ...options], { daemonPid: null, signal })
  const { record } = JSON.parse(output) as Pick<ConversionResult, 'record'>
  return {
    wallSeconds: cost.wallSeconds,
    cpuSeconds: cost.clientCpuSeconds,
    diskBytes: cost.spoolBytes + (await diskBytes(cache)),
    workloadSeconds: record?.durationSeconds ?? null,
  }
}

async function runChain(source: string, target: string, signal: AbortSignal): Promise<OwnCost> {
  const daemon = await startPrivateContainerd()
  try {
    const where = ['--address', daemon.address, '--namespace', daemon.namespace]
    const file = join(daemon.folder, 'image.tar')
    const command = ['bash', '-c', CHAIN, 'chain', source, target, file, ...where]
    const { cost } = await measure(command, { daemonPid: daemon.pid, signal })
    return {
      wallSeconds: cost.wallSeconds,
      cpuSeconds: cost.clientCpuSeconds + cost.daemonCpuSeconds,
      diskBytes: cost.spoolBytes + (await diskBytes(daemon.folder)),
      workloadSeconds: null,
    }
  } finally {
    await daemon.stop()
  }
}

/** At the end, when nothing has been removed: of the chain without its archive, which is removed as soon as that can be. */
async function diskBytes(folder: string): Promise<number> {
  const { stdout } = await execute('du', ['-s', '--block-size=1', folder])
  return Number(stdout.split('\t')[0])
}

type Report = Awaited<ReturnType<typeof compare>>

function formatReport({ versions, image, rounds, tables }: Report): string {
  const head = ['', 'wall', 'CPU', 'fetched', 'sent', 'disk']
  const lines = tables.flatMap(({ link, rows }) => [
    `${image}, ${link}, median of ${rounds} rounds`,
    ...formatTable(head, rows.map(rowCells)),
    ...conclusions(link, rows),
    '',
  ])
  return [...lines, ...versions.map(([name, version]) => `${name}: ${version}`), ''].join('\n')
}

function rowCells({ title, costs }: Row): string[] {
  const of = (pick: (cost: Cost) => number) => median(costs.map(pick))
  return [
    title,
    formatSeconds(of(({ wallSeconds }) => wallSeconds)),
    formatSeconds(of(({ cpuSeconds }) => cpuSeconds)),
    formatBytes(of(({ downBytes }) => downBytes)),
    formatBytes(of(({ upBytes }) => upBytes)),
    formatBytes(of(({ diskBytes: bytes }) => bytes)),
  ]
}

function conclusions(name: LinkName, rows: Row[]): string[] {
  const [ours, chain] = rows as [Row, Row]
  const wall = ({ costs }: Row) => median(costs.map(({ wallSeconds }) => wallSeconds))
  if (ours.id === 'cold')
    return [`the first wall time ÷ the second: ${(wall(ours) / wall(chain)).toFixed(2)}`]
  const lines = [`the chain's wall time ÷ ours: ${(wall(chain) / wall(ours)).toFixed(2)}`]
  const speed = LINKS[name]
  if (speed === null) return lines
  // What moves both ways at the link's rate, one after the other: nobody can send what has not been fetched.
  const shares = ours.costs.map(({ wallSeconds, downBytes, upBytes, workloadSeconds }) => {
    const transferSeconds = ((downBytes + upBytes) * 8) / speed.bitsPerSecond
    return (wallSeconds - (workloadSeconds ?? 0)) / transferSeconds
  })
  return [
    ...lines,
    `our wall time without the workload's ÷ that of the bytes alone: ${median(shares).toFixed(2)}`,
  ]
}

await runBench(async (signal) => {
  const options = readOptions()
  const report = await compare(options, signal)
  return options.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report)
})

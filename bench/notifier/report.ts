/** What `npm run bench:notifier` prints. */
import { formatTable } from '../../optimizer/table.ts'
import { median } from '../statistics.ts'
import type { Run } from './arena.ts'
import { type ContestantId, TITLES } from './contestants.ts'

export interface Measured {
  id: ContestantId
  rounds: Run[]
}

export interface WorkloadReport {
  id: string
  title: string
  contestants: (Measured & { median: Run })[]
}

export interface NotifierReport {
  schemaVersion: 1
  versions: [string, string][]
  rounds: number
  /** Median, and all of them, in milliseconds. */
  bareNode: { median: number; rounds: number[] }
  workloads: WorkloadReport[]
}

export function workloadReport(id: string, title: string, measured: Measured[]): WorkloadReport {
  return { id, title, contestants: measured.map((one) => ({ ...one, median: medianRun(one.rounds) })) }
}

/** Each figure's own median: no round has to be the middle one in all of them. */
function medianRun(rounds: Run[]): Run {
  const [first] = rounds
  const keys = Object.keys(first ?? {}) as (keyof Run)[]
  return Object.fromEntries(keys.map((key) => [key, median(rounds.map((run) => run[key]))])) as Record<
    keyof Run,
    number
  >
}

export function formatNotifierReport({ versions, rounds, bareNode, workloads }: NotifierReport): string {
  const lines = [
    ...versions.map(([what, version]) => `${`${what}:`.padEnd(12)} ${version}`),
    `medians of ${rounds} interleaved round${rounds === 1 ? '' : 's'}`,
  ]
  for (const { title, contestants } of workloads)
    lines.push(
      '',
      title,
      ...formatTable(
        WATCH_HEAD,
        contestants.map((one) => watchRow(one, contestants)),
      ),
    )
  lines.push('', ...startTable(bareNode.median, workloads))
  return `${lines.join('\n')}\n`
}

const WATCH_HEAD = [
  ...['who watches', 'told', 'lost', 'told in s', 'files/s', '× peer', '× C reader'],
  ...['workload CPU s', '× nobody', 'wall s', '× nobody', 'reader CPU s', 'client CPU s', 'RSS MiB'],
]

type WithMedian = Measured & { median: Run }

function watchRow({ id, median: run }: WithMedian, all: WithMedian[]): string[] {
  const of = (other: ContestantId) => all.find((one) => one.id === other)?.median
  const rate = (one: Run | undefined) => (one === undefined ? Number.NaN : one.told / one.toldSeconds)
  const nobody = of('nobody')
  return [
    TITLES[id],
    ...[cell(run.told), cell(run.lost), cell(run.toldSeconds, 3), cell(rate(run))],
    ...[cell(rate(run) / rate(of('peer')), 2), cell(rate(run) / rate(of('reader')), 2)],
    cell(run.workloadCpuSeconds, 3),
    cell(run.workloadCpuSeconds / (nobody?.workloadCpuSeconds ?? Number.NaN), 2),
    cell(run.workloadWallSeconds, 3),
    cell(run.workloadWallSeconds / (nobody?.workloadWallSeconds ?? Number.NaN), 2),
    ...[cell(run.readerCpuSeconds, 3), cell(run.clientCpuSeconds, 3), cell(run.readerRssBytes / 1024 ** 2)],
  ]
}

/** Of every run of a contestant, whatever the workload. */
function startTable(bareNodeMs: number, workloads: WorkloadReport[]): string[] {
  const rows = new Map<ContestantId, Run[]>()
  for (const { id, rounds } of workloads.flatMap(({ contestants }) => contestants))
    rows.set(id, [...(rows.get(id) ?? []), ...rounds])
  return formatTable(
    ['from start of the program', 'to hello ms', '× bare Node', 'to watching ms'],
    [
      ['bare Node, to its first byte', cell(bareNodeMs, 1), cell(1, 2), '–'],
      ...[...rows].map(([id, runs]) => {
        const helloMs = median(runs.map((run) => run.helloMs))
        const startMs = median(runs.map((run) => run.startMs))
        return [TITLES[id], cell(helloMs, 1), cell(helloMs / bareNodeMs, 2), cell(startMs, 1)]
      }),
    ].filter((row) => row[1] !== '–' || row[3] !== '–'),
  )
}

function cell(value: number, digits = 0): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

/** What `npm run bench:start` prints: cold starts side by side, and what each layer's client fetches first. */
import { formatTable } from '../optimizer/table.ts'
import { BASE_ROW, type StartRow } from './start-rows.ts'
import { median, sum } from './statistics.ts'

/** One cold start. */
export interface ColdStart {
  pullMs: number
  /** From the start of `ctr run` to the first byte of the workload's output. */
  runMs: number
  totalMs: number
  /** From the registry until the first output, headers included. */
  wireBytes: number
  requests: number
}

export interface LayerFacts {
  sizeBytes: number
  /** Compressed bytes before the landmark, and how many files they hold; null: not a format that has one. */
  hotZone: { bytes: number; files: number } | null
}

export interface MeasuredRow {
  id: string
  title: string
  layers: LayerFacts[]
  /** By the link's name. */
  starts: Record<string, ColdStart[]>
}

export interface StartReport {
  schemaVersion: 1
  versions: [string, string][]
  rounds: number
  links: { id: string; title: string }[]
  images: { name: string; layerTitles: string[]; rows: MeasuredRow[] }[]
}

const FIGURES = ['pullMs', 'runMs', 'totalMs', 'wireBytes', 'requests'] as const

export function measuredRow({ id, title }: StartRow, layers: LayerFacts[]): MeasuredRow {
  return { id, title, layers, starts: {} }
}

export function formatStartReport({ versions, rounds, links, images }: StartReport): string {
  const lines = [
    ...versions.map(([what, version]) => `${`${what}:`.padEnd(17)} ${version}`),
    `medians of ${rounds} interleaved round${rounds === 1 ? '' : 's'}; × is the share of ${BASE_ROW}'s`,
  ]
  for (const { name, layerTitles, rows } of images) {
    const original = sum((rows[0]?.layers ?? []).map(({ sizeBytes }) => sizeBytes))
    lines.push('', `${name}: ${layerTitles.length} layers, ${megabytes(original)} MB compressed`)
    for (const link of links) lines.push('', link.title, ...startTable(rows, link.id))
    lines.push('', 'compressed bytes before the landmark, MB', ...hotZoneTable(rows, layerTitles))
  }
  return `${lines.join('\n')}\n`
}

function startTable(rows: MeasuredRow[], link: string): string[] {
  const head = ['', 'pull s', 'run to output s', 'total s', '×', 'wire MB', '×', 'requests']
  const medians = rows.map(({ id, title, starts }) => ({ id, title, start: medianOf(starts[link] ?? []) }))
  const base = medians.find(({ id }) => id === BASE_ROW)?.start
  const share = (value: number, of: number | undefined) => (of === undefined ? '' : (value / of).toFixed(2))
  const cells = medians.map(({ title, start }) => [
    ...[title, seconds(start.pullMs), seconds(start.runMs)],
    ...[seconds(start.totalMs), share(start.totalMs, base?.totalMs)],
    ...[megabytes(start.wireBytes), share(start.wireBytes, base?.wireBytes)],
    String(start.requests),
  ])
  return formatTable(head, cells)
}

/** Each figure's own median: no start has to be the middle one in all of them. */
function medianOf(starts: ColdStart[]): ColdStart {
  return Object.fromEntries(
    FIGURES.map((key) => [key, median(starts.map((start) => start[key]))]),
  ) as unknown as ColdStart
}

function hotZoneTable(rows: MeasuredRow[], titles: string[]): string[] {
  const hot = rows.filter(({ layers }) => layers.some(({ hotZone }) => (hotZone?.bytes ?? 0) > 0))
  const bytes = ({ layers }: MeasuredRow) => layers.map(({ hotZone }) => hotZone?.bytes ?? 0)
  const base = rows.find(({ id }) => id === BASE_ROW)
  const cells = hot.map((row) => [
    ...[row.title, ...bytes(row).map(megabytes), megabytes(sum(bytes(row)))],
    base === undefined ? '' : (sum(bytes(row)) / sum(bytes(base))).toFixed(3),
    String(sum(row.layers.map(({ hotZone }) => hotZone?.files ?? 0))),
  ])
  return formatTable(['', ...titles, 'all', '×', 'files'], cells)
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2)
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2)
}

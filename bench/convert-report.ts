/** What `npm run bench` prints: the medians side by side, and how many times more the peer needs. */
import { formatTable } from '../optimizer/table.ts'
import type { Cost } from './measure.ts'
import { median } from './statistics.ts'

/** One conversion. */
export interface Run extends Cost {
  /** Sum of the new layers' blobs. */
  outputBytes: number
}

export interface Measured {
  id: string
  title: string
  format: string
  isOurs: boolean
  rounds: Run[]
}

export interface Report {
  schemaVersion: 2
  versions: [string, string][]
  rounds: number
  shapes: ShapeReport[]
}

export interface ShapeReport {
  image: ImageFacts
  contestants: (Measured & { median: Run })[]
  /** Peer's median divided by ours of the same format. */
  ratios: { id: string; title: string; ratio: Run }[]
}

export interface ImageFacts {
  name: string
  layers: number
  compressedBytes: number
  uncompressedBytes: number
  /** Directories and links included. */
  entries: number
}

const FIGURES = [
  { key: 'wallSeconds', title: 'wall s', unit: 1, digits: 2 },
  { key: 'clientCpuSeconds', title: 'client CPU s', unit: 1, digits: 2 },
  { key: 'daemonCpuSeconds', title: 'containerd CPU s', unit: 1, digits: 2 },
  { key: 'peakRssBytes', title: 'client peak RSS MiB', unit: 1024 ** 2, digits: 0 },
  { key: 'spoolBytes', title: 'spool peak MB', unit: 1e6, digits: 0 },
  { key: 'outputBytes', title: 'output MB', unit: 1e6, digits: 2 },
] as const

type Key = (typeof FIGURES)[number]['key']

export function shapeReport(image: ImageFacts, measured: Measured[]): ShapeReport {
  const contestants = measured.map((one) => ({ ...one, median: medianRun(one.rounds) }))
  const ratios = contestants.flatMap(({ id, title, format, isOurs, median }) => {
    const base = contestants.find((other) => other.isOurs && other.format === format)
    if (isOurs || base === undefined) return []
    return [{ id, title, ratio: figuresBy((key) => median[key] / base.median[key]) }]
  })
  return { image, contestants, ratios }
}

export function formatReport({ versions, rounds, shapes }: Report): string {
  const lines = [
    ...versions.map(([what, version]) => `${`${what}:`.padEnd(17)} ${version}`),
    `medians of ${rounds} interleaved round${rounds === 1 ? '' : 's'}; × is a peer's figure divided by ours of its format`,
  ]
  for (const { image, contestants, ratios } of shapes) {
    const { name, layers, compressedBytes, uncompressedBytes, entries } = image
    const head = ['', ...FIGURES.map(({ title }) => title)]
    lines.push(
      '',
      `${name}: ${layers} layer${layers === 1 ? '' : 's'}, ${megabytes(compressedBytes)} compressed, ` +
        `${megabytes(uncompressedBytes)} uncompressed, ${entries} entries`,
      ...formatTable(head, [
        ...contestants.map(({ title, median }) => [title, ...figureCells(median)]),
        ...ratios.map(({ title, ratio }) => [`× ${title}`, ...ratioCells(ratio)]),
      ]),
    )
  }
  return `${lines.join('\n')}\n`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

function figureCells(run: Run): string[] {
  return FIGURES.map(({ key, unit, digits }) => (run[key] / unit).toFixed(digits))
}

function ratioCells(ratio: Run): string[] {
  return FIGURES.map(({ key }) =>
    Number.isFinite(ratio[key]) ? ratio[key].toFixed(key === 'outputBytes' ? 3 : 2) : '–',
  )
}

/** Each figure's own median: no round has to be the middle one in all of them. */
function medianRun(rounds: Run[]): Run {
  return figuresBy((key) => median(rounds.map((run) => run[key])))
}

function figuresBy(value: (key: Key) => number): Run {
  return Object.fromEntries(FIGURES.map(({ key }) => [key, value(key)])) as Record<Key, number>
}

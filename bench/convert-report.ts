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
  rounds: Run[]
}

export interface Report {
  schemaVersion: 1
  versions: [string, string][]
  image: ImageFacts
  rounds: number
  contestants: (Measured & { median: Run })[]
  /** Peer's median divided by ours. */
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
  { key: 'outputBytes', title: 'output MB', unit: 1e6, digits: 2 },
] as const

type Key = (typeof FIGURES)[number]['key']

export function makeReport(options: {
  versions: [string, string][]
  image: ImageFacts
  ours: Measured
  peers: Measured[]
}): Report {
  const { versions, image, ours, peers } = options
  const base = medianRun(ours.rounds)
  return {
    schemaVersion: 1,
    versions,
    image,
    rounds: ours.rounds.length,
    contestants: [ours, ...peers].map((measured) => ({ ...measured, median: medianRun(measured.rounds) })),
    ratios: peers.map(({ id, title, rounds }) => {
      const median = medianRun(rounds)
      return { id, title, ratio: figuresBy((key) => median[key] / base[key]) }
    }),
  }
}

export function formatReport({ versions, image, rounds, contestants, ratios }: Report): string {
  const { name, layers, compressedBytes, uncompressedBytes, entries } = image
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
  const head = ['', ...FIGURES.map(({ title }) => title)]
  return `${[
    ...versions.map(([what, version]) => `${`${what}:`.padEnd(11)} ${version}`),
    `image:      ${name}: ${layers} layers, ${megabytes(compressedBytes)} compressed, ` +
      `${megabytes(uncompressedBytes)} uncompressed, ${entries} entries`,
    `medians of ${rounds} interleaved round${rounds === 1 ? '' : 's'}`,
    '',
    ...formatTable(head, [
      ...contestants.map(({ title, median }) => [title, ...figureCells(median)]),
      ...ratios.map(({ title, ratio }) => [`${title} / optimizer`, ...ratioCells(ratio)]),
    ]),
  ].join('\n')}\n`
}

function figureCells(run: Run): string[] {
  return FIGURES.map(({ key, unit, digits }) => (run[key] / unit).toFixed(digits))
}

function ratioCells(ratio: Run): string[] {
  return FIGURES.map(({ key }) => `${ratio[key].toFixed(key === 'outputBytes' ? 3 : 2)} ×`)
}

/** Each figure's own median: no round has to be the middle one in all of them. */
function medianRun(rounds: Run[]): Run {
  return figuresBy((key) => median(rounds.map((run) => run[key])))
}

function figuresBy(value: (key: Key) => number): Run {
  return Object.fromEntries(FIGURES.map(({ key }) => [key, value(key)])) as Record<Key, number>
}

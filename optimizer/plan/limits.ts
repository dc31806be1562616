/** What of all that is wanted does come first: without what is excluded, and no more than a client is to fetch ahead. */
import type { Log } from '../../shared/log.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import { pathMatcher } from '../order/prefetch-list.ts'
import { type UnmatchedGlob, unmatchedGlobs, warnOfUnmatched } from '../order/unmatched-globs.ts'
import { LinkedFiles } from '../record/linked-files.ts'
import { pathsByLayer, type WantedFile } from '../record/wanted-files.ts'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'
import type { LeftOut } from './analysis.ts'
import type { HotZones } from './hot-zones.ts'
import { textOf } from './paths.ts'

export interface HotZoneLimits {
  /** Globs. */
  excluded: readonly string[]
  /** Compressed bytes before the landmarks of all layers of a platform; null for any number. */
  budgetBytes: number | null
}

/** Whatever is wanted comes first: the layers need not be looked at. */
export function isUnlimited({ excluded, budgetBytes }: HotZoneLimits): boolean {
  return excluded.length === 0 && budgetBytes === null
}

export interface LimitedOrder {
  wanted: WantedFile[]
  /** In the order in which it was wanted. */
  leftOut: LeftOut[]
  /** Globs of --exclude that match no file of the image. */
  unmatched: UnmatchedGlob[]
}

/**
 * @param wanted in the order to fetch it
 * @param excluded what a list has left out already
 * @param zones asked where there is a budget
 */
export async function limitOrder(
  { wanted, excluded }: { wanted: readonly WantedFile[]; excluded: readonly WantedFile[] },
  layers: readonly OpenedLayer[],
  { excluded: patterns, budgetBytes }: HotZoneLimits,
  zones: () => HotZones,
): Promise<LimitedOrder> {
  const isExcluded = pathMatcher(patterns)
  const kept = wanted.filter(({ path }) => !isExcluded(path))
  const without = wanted.filter(({ path }) => isExcluded(path))
  const unmatched = unmatchedGlobs(
    patterns,
    wanted.map(({ path }) => path),
    () => entriesOf(layers),
  )
  const within = budgetBytes === null ? kept.length : await withinBudget(kept, layers, budgetBytes, zones())
  const first = kept.slice(0, within)
  const cut = kept.slice(within)
  if (without.length + excluded.length + cut.length === 0) return { wanted: first, leftOut: [], unmatched }
  const leftOut = new LeftOutFiles(layers, first)
  return {
    wanted: first,
    leftOut: [...leftOut.of([...without, ...excluded], 'excluded'), ...leftOut.of(cut, 'budget')],
    unmatched,
  }
}

function* entriesOf(layers: readonly OpenedLayer[]): Generator<TarEntry> {
  for (const { entries } of layers) yield* entries
}

/** For people, once it is known. */
export function tellUnmatched({ unmatched }: LimitedOrder, log: Log): void {
  warnOfUnmatched(unmatched, log, () => '--exclude')
}

/**
 * The longest beginning of the order whose hot zones are within the budget together.
 * @returns how many files it has
 */
async function withinBudget(
  wanted: readonly WantedFile[],
  layers: readonly OpenedLayer[],
  budgetBytes: number,
  zones: HotZones,
): Promise<number> {
  let count = await estimatedCount(wanted, layers, budgetBytes, zones)
  // What follows a file in its last member is another header when it is the last one: some bytes more or less.
  const bytes: number[] = []
  const measure = async (index: number) => {
    const paths = pathsByLayer(wanted.slice(0, count), layers.length)[index] as PathKey[]
    bytes[index] = (await zones.measure(index, paths)).bytes
  }
  const layerOf = (place: number) => (wanted[place] as WantedFile).layerIndex
  for (const index of layers.keys()) await measure(index)
  while (count < wanted.length && sum(bytes) <= budgetBytes) {
    count++
    await measure(layerOf(count - 1))
  }
  while (count > 0 && sum(bytes) > budgetBytes) {
    count--
    await measure(layerOf(count))
  }
  return count
}

/** By where each file ends when everything comes first. */
async function estimatedCount(
  wanted: readonly WantedFile[],
  layers: readonly OpenedLayer[],
  budgetBytes: number,
  zones: HotZones,
): Promise<number> {
  const ends: Map<PathKey, number>[] = []
  for (const [index, paths] of pathsByLayer(wanted, layers.length).entries()) {
    const zone = await zones.measure(index, paths, budgetBytes)
    const byPath = entriesByPath(layers[index] as OpenedLayer)
    const endOf = (path: PathKey) => {
      const entry = byPath.get(path)
      if (entry === undefined) return 0
      return zone.ends.get(entry) ?? (zone.isWhole ? 0 : Number.POSITIVE_INFINITY)
    }
    ends.push(new Map(paths.map((path) => [path, endOf(path)])))
  }
  const bytes = layers.map(() => 0)
  const over = wanted.findIndex(({ layerIndex, path }) => {
    bytes[layerIndex] = Math.max(bytes[layerIndex] as number, ends[layerIndex]?.get(path) as number)
    return sum(bytes) > budgetBytes
  })
  return over < 0 ? wanted.length : over
}

function sum(bytes: readonly number[]): number {
  return bytes.reduce((total, part) => total + part, 0)
}

function entriesByPath({ entries }: OpenedLayer): Map<PathKey, TarEntry> {
  return new Map(entries.map((entry) => [entry.path, entry]))
}

/** What was wanted and does not come first: files, each once, whatever their names. */
class LeftOutFiles {
  readonly #layers: LinkedFiles[]
  /** Of each layer: entries that come first, and those that are told already. */
  readonly #told: Set<TarEntry>[]

  constructor(layers: readonly OpenedLayer[], wanted: readonly WantedFile[]) {
    this.#layers = layers.map(({ entries }) => new LinkedFiles(entries))
    const paths = pathsByLayer(wanted, layers.length)
    this.#told = layers.map(
      ({ entries }, index) => new Set(orderEntries(entries, paths[index] ?? []).prioritized),
    )
  }

  /** Nothing for what is not in its layer, or comes first by another name. */
  of(files: readonly WantedFile[], reason: LeftOut['reason']): LeftOut[] {
    return files.flatMap(({ layerIndex, path }) => {
      const layer = this.#layers[layerIndex]
      const entry = layer?.at(path)
      if (layer === undefined || entry === undefined) return []
      const file = layer.fileOf(entry) ?? entry
      const told = this.#told[layerIndex] as Set<TarEntry>
      if (told.has(file)) return []
      told.add(file)
      return { path: textOf(path), layerIndex, sizeBytes: file.sizeBytes, reason }
    })
  }
}

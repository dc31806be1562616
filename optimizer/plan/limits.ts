/** What of all that is wanted does come first: without what is excluded, and no more than a client is to fetch ahead. */
import { pathMatcher } from '../order/prefetch-list.ts'
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

export interface LimitedOrder {
  wanted: WantedFile[]
  /** In the order in which it was wanted. */
  leftOut: LeftOut[]
}

/**
 * @param wanted in the order to fetch it
 * @param zones asked where there is a budget
 */
export async function limitOrder(
  wanted: readonly WantedFile[],
  layers: readonly OpenedLayer[],
  { excluded, budgetBytes }: HotZoneLimits,
  zones: () => HotZones,
): Promise<LimitedOrder> {
  const isExcluded = pathMatcher(excluded)
  const kept = wanted.filter(({ path }) => !isExcluded(path))
  const without = wanted.filter(({ path }) => isExcluded(path))
  const within = budgetBytes === null ? kept.length : await withinBudget(kept, layers, budgetBytes, zones())
  const sizes = new Sizes(layers)
  return {
    wanted: kept.slice(0, within),
    leftOut: [
      ...without.map((file) => sizes.leftOut(file, 'excluded')),
      ...kept.slice(within).map((file) => sizes.leftOut(file, 'budget')),
    ].filter((file) => file !== null),
  }
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

class Sizes {
  readonly #layers: readonly OpenedLayer[]
  readonly #byPath = new Map<number, Map<PathKey, TarEntry>>()

  constructor(layers: readonly OpenedLayer[]) {
    this.#layers = layers
  }

  /** null for what is not in the layer anyway. */
  leftOut({ layerIndex, path }: WantedFile, reason: LeftOut['reason']): LeftOut | null {
    const byPath = this.#byPath.get(layerIndex) ?? entriesByPath(this.#layers[layerIndex] as OpenedLayer)
    this.#byPath.set(layerIndex, byPath)
    const entry = byPath.get(path)
    return entry === undefined ? null : { path: textOf(path), layerIndex, sizeBytes: entry.sizeBytes, reason }
  }
}

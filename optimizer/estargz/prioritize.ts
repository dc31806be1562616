/** The new order of a layer's entries: what the workload read comes first, in the order it was read. Pure. */
import type { PathKey, TarEntry } from '../tar/entry.ts'
import { parentPath, parentPaths } from '../tar/path-key.ts'

export interface Ordering {
  /** Entries before the landmark: each after its parents in this layer and after the target of a hard link. */
  prioritized: TarEntry[]
  /** Everything else, in source order. */
  rest: TarEntry[]
  /** Paths asked for that this layer has not. */
  missing: PathKey[]
}

/**
 * Missing parents are not invented; a directory moves its own entry only.
 * @param entries one per path, in source order
 * @param paths in the order to fetch them
 */
export function orderEntries(entries: readonly TarEntry[], paths: readonly PathKey[]): Ordering {
  if (paths.length === 0) return { prioritized: [], rest: [...entries], missing: [] }
  const byPath = new Map(entries.map((entry) => [entry.path, entry]))
  const placed = new Set<TarEntry>()
  const missing: PathKey[] = []
  for (const path of new Set(paths)) {
    const chain = linkChain(path, byPath)
    if (chain.length === 0) missing.push(path)
    // As the original does it: folders of the link, folders of its target, the target, the link.
    place(
      chain.flatMap((entry) => parentPaths(entry.path)),
      byPath,
      placed,
    )
    place(chain.map((entry) => entry.path).reverse(), byPath, placed)
  }
  return { prioritized: [...placed], rest: entries.filter((entry) => !placed.has(entry)), missing }
}

/** The entry of a path; of a hard link also its target, and that one's; ends where a chain bites its tail. */
function linkChain(path: PathKey, byPath: ReadonlyMap<PathKey, TarEntry>): TarEntry[] {
  const chain = new Set<TarEntry>()
  let entry = byPath.get(path)
  while (entry !== undefined && !chain.has(entry)) {
    chain.add(entry)
    entry = entry.type === 'hardlink' ? byPath.get(entry.linkPath) : undefined
  }
  return [...chain]
}

function place(
  paths: readonly PathKey[],
  byPath: ReadonlyMap<PathKey, TarEntry>,
  placed: Set<TarEntry>,
): void {
  for (const path of paths) {
    const next = byPath.get(path)
    if (next === undefined || placed.has(next)) continue
    const whiteout = byPath.get(whiteoutPath(path))
    // Who unpacks in order would let a whiteout that came first before, and comes second now, remove the entry.
    if (whiteout !== undefined && whiteout.index < next.index) placed.add(whiteout)
    placed.add(next)
  }
}

/** @see OCI image spec, layer.md, "Whiteouts" */
function whiteoutPath(path: PathKey): PathKey {
  const parent = parentPath(path)
  if (parent === undefined || parent === '') return `.wh.${path}`
  return `${parent}/.wh.${path.slice(parent.length + 1)}`
}

import type { RecordEntry } from '../../shared/record.ts'
import type { PathKey } from '../tar/entry.ts'

/**
 * A record as what conversion needs: for each layer of the manifest the paths to put first, in record order.
 * Keyed by position, never by digest: two equal layers may be read differently.
 */
export function prioritizedFiles(
  entries: readonly RecordEntry[],
  manifestDigest: string,
  layerCount: number,
): PathKey[][] {
  const layers = Array.from({ length: layerCount }, () => new Set<PathKey>())
  for (const entry of entries) {
    if (entry.manifestDigest !== manifestDigest || entry.layerIndex === null) continue
    layers[entry.layerIndex]?.add(entry.path.toString('latin1'))
  }
  return layers.map((paths) => [...paths])
}

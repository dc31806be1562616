import type { RecordEntry } from '../../shared/record.ts'
import { type WantedFile, WantedFiles } from './wanted-files.ts'

/**
 * A record as what conversion needs: the files to put first, in record order, each in the layer of the manifest that it is in.
 * Keyed by position, never by digest: two equal layers may be read differently.
 */
export function prioritizedFiles(
  entries: readonly RecordEntry[],
  manifestDigest: string,
  layerCount: number,
): WantedFile[] {
  const wanted = new WantedFiles(layerCount)
  for (const entry of entries) {
    if (entry.manifestDigest !== manifestDigest || entry.layerIndex === null) continue
    wanted.add(entry.layerIndex, entry.path.toString('latin1'))
  }
  return wanted.all
}

/** Entries that eStargz adds to a layer; a layer that is converted again loses its old ones. @see docs/formats.md */
import type { PathKey } from './entry.ts'

export const TOC_NAME = 'stargz.index.json'
/** What lies before it is fetched at once, before the container starts. */
export const PREFETCH_LANDMARK = '.prefetch.landmark'
/** Nothing is fetched ahead. */
export const NO_PREFETCH_LANDMARK = '.no.prefetch.landmark'

const NAMES: ReadonlySet<PathKey> = new Set([TOC_NAME, PREFETCH_LANDMARK, NO_PREFETCH_LANDMARK])

export function isFormatEntry(path: PathKey): boolean {
  return NAMES.has(path)
}

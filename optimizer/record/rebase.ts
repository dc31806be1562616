/** A record carried over to another image by path: a rebuilt one, or the same for another architecture. */
import type { AccessRecord, RecordEntry, RecordedImage } from '../../shared/record.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { PathArchitecture } from './architecture-paths.ts'
import { pathsFor } from './architecture-paths.ts'
import { LayerIndex, type Located } from './layer-index.ts'
import { LinkedFiles } from './linked-files.ts'

/** The image that a record is carried over to. */
export interface RebaseTarget {
  image: RecordedImage
  /** Lowest first. */
  layers: readonly { digest: string; entries: readonly TarEntry[] }[]
  /** Of the record's image, and of this one. */
  from: PathArchitecture
  to: PathArchitecture
}

/**
 * - `same-layer`: in a layer that is the record's, byte for byte
 * - `same-content`, `other-content`: the contents were compared
 * - `same-size`, `other-size`: they were not
 * - `gone`: there is no such file
 */
export type MatchKind = 'same-layer' | 'same-content' | 'other-content' | 'same-size' | 'other-size' | 'gone'

/** What has become of a file of the record. */
export interface RebaseMatch {
  /** Bytes that are not UTF-8 appear as U+FFFD. */
  path: string
  match: MatchKind
  /** Where it is now; null where it is gone. */
  found: { path: string; layerIndex: number } | null
  /** It has another name: that of the other architecture, or of what a link leads to. */
  renamed: boolean
}

/** Whether a file of the record and the one found have equal contents; undefined where that is not known. */
export type SameContent = (entry: RecordEntry, found: Located) => boolean | undefined

export interface Rebased {
  record: AccessRecord
  /** Each file of the record once, in its order. */
  matches: RebaseMatch[]
}

export function rebaseRecord(
  { header, entries }: AccessRecord,
  target: RebaseTarget,
  sameContent: SameContent = () => undefined,
): Rebased {
  const index = new LayerIndex(target.layers.map((layer) => layer.entries))
  const linked = target.layers.map((layer) => new LinkedFiles(layer.entries))
  const matches = new Map<string, RebaseMatch>()
  const carried = new Map<string, RecordEntry>()
  for (const entry of entries) {
    const found = locate(entry, index, linked, target)
    const key = `${entry.layerIndex} ${entry.path.toString('latin1')}`
    if (!matches.has(key)) matches.set(key, matchOf(entry, found, target, sameContent))
    if (found === undefined) continue
    const moved = movedEntry(entry, found, target)
    const newKey = `${moved.phase} ${moved.layerIndex} ${found.entry.path}`
    if (!carried.has(newKey)) carried.set(newKey, moved)
  }
  const rebasedFrom = header.rebasedFrom ?? header.image
  return {
    record: {
      header: { ...header, image: target.image, ...(rebasedFrom === null ? {} : { rebasedFrom }) },
      entries: [...carried.values()],
    },
    matches: [...matches.values()],
  }
}

/** A hard link's entry has no size: its file has. */
type Found = Located & { sizeBytes: number }

function locate(
  { path }: RecordEntry,
  index: LayerIndex,
  linked: readonly LinkedFiles[],
  { from, to }: RebaseTarget,
): Found | undefined {
  for (const candidate of pathsFor(path.toString('latin1'), from, to)) {
    const located = index.trace(candidate).at(-1)
    const file = located && linked[located.layerIndex]?.fileOf(located.entry)
    if (located !== undefined && file !== undefined) return { ...located, sizeBytes: file.sizeBytes }
  }
  return undefined
}

function matchOf(
  entry: RecordEntry,
  found: Found | undefined,
  { layers }: RebaseTarget,
  sameContent: SameContent,
): RebaseMatch {
  const path = entry.path.toString()
  if (found === undefined) return { path, match: 'gone', found: null, renamed: false }
  const text = Buffer.from(found.entry.path, 'latin1').toString()
  return {
    path,
    match: kindOf(entry, found, layers[found.layerIndex]?.digest, sameContent),
    found: { path: text, layerIndex: found.layerIndex },
    renamed: text !== path,
  }
}

function kindOf(
  entry: RecordEntry,
  found: Found,
  layerDigest: string | undefined,
  sameContent: SameContent,
): MatchKind {
  if (layerDigest === entry.layerDigest && found.entry.path === entry.path.toString('latin1'))
    return 'same-layer'
  const same = sameContent(entry, found)
  if (same !== undefined) return same ? 'same-content' : 'other-content'
  return found.sizeBytes === entry.sizeBytes ? 'same-size' : 'other-size'
}

function movedEntry(
  entry: RecordEntry,
  { layerIndex, entry: file, sizeBytes }: Found,
  target: RebaseTarget,
): RecordEntry {
  return {
    ...entry,
    path: Buffer.from(file.path, 'latin1'),
    manifestDigest: target.image.manifestDigest,
    layerIndex,
    layerDigest: target.layers[layerIndex]?.digest ?? null,
    sizeBytes,
  }
}

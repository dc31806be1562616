/** Where one file of a finished image is. */
import type { LayerToc } from '../estargz/reader.ts'
import type { Digest } from '../image/digest.ts'
import { type IndexedEntry, LayerIndex } from '../record/layer-index.ts'
import type { EntryType } from '../tar/entry.ts'
import { isFormatEntry } from '../tar/format-names.ts'
import { cleanPath } from '../tar/path-key.ts'
import type { FileAnalysis, ImageAnalysis } from './analysis.ts'
import { textOf } from './paths.ts'

export const PATH_SCHEMA_VERSION = 1

export interface PathExplanation {
  schemaVersion: typeof PATH_SCHEMA_VERSION
  /** As asked for, clean. */
  path: string
  /** Symbolic links on the way. */
  links: { path: string; target: string; layerIndex: number }[]
  /** Where a container finds it; null where it finds nothing. */
  found: FoundPath | null
  /** Layers that have the path and are hidden by one above. */
  hiddenLayers: number[]
  /** Layers without a TOC: what they hold is not known. */
  unknownLayers: number[]
}

export interface FoundPath {
  path: string
  type: EntryType
  layerIndex: number
  layerDigest: Digest
  /** null where it is no regular file. */
  file: FileAnalysis | null
  /** Its place among the files of the layer's hot zone, from 1; null where it is not one of them. */
  hotPosition: number | null
}

/** @param tocs of each layer */
export function explainPath(
  text: string,
  { layers }: Pick<ImageAnalysis, 'layers'>,
  tocs: readonly (LayerToc | undefined)[],
): PathExplanation {
  const path = cleanPath(Buffer.from(text))
  const entries = tocs.map(indexedEntries)
  const way = new LayerIndex(entries).trace(path)
  const end = way.at(-1)
  const found = end === undefined ? null : foundPath(end.entry, end.layerIndex, layers)
  return {
    schemaVersion: PATH_SCHEMA_VERSION,
    path: textOf(path),
    links: way.slice(0, -1).map(({ layerIndex, entry }) => ({
      path: textOf(entry.path),
      target: entry.linkName.toString(),
      layerIndex,
    })),
    found,
    hiddenLayers: entries.flatMap((layer, index) =>
      index !== end?.layerIndex && layer.some((entry) => isHidden(entry, end?.entry, path)) ? [index] : [],
    ),
    unknownLayers: tocs.flatMap((toc, index) => (toc === undefined ? [index] : [])),
  }
}

/** Folders are one with those above them. */
function isHidden(entry: IndexedEntry, found: IndexedEntry | undefined, path: string): boolean {
  return entry.path === (found?.path ?? path) && !(entry.type === 'dir' && found?.type === 'dir')
}

function indexedEntries(found: LayerToc | undefined): IndexedEntry[] {
  return (found?.toc.entries ?? []).flatMap(({ name, type, linkName = '' }) => {
    const path = cleanPath(Buffer.from(name))
    return type === 'chunk' || isFormatEntry(path) ? [] : [{ path, type, linkName: Buffer.from(linkName) }]
  })
}

function foundPath(
  { path, type }: IndexedEntry,
  layerIndex: number,
  layers: ImageAnalysis['layers'],
): FoundPath {
  const text = textOf(path)
  const { files = [], digest } = layers[layerIndex] as ImageAnalysis['layers'][number]
  const file = files.find((each) => each.path === text || each.links.includes(text)) ?? null
  const position = files.filter(({ hot }) => hot).indexOf(file as FileAnalysis)
  return {
    path: text,
    type,
    layerIndex,
    layerDigest: digest,
    file,
    hotPosition: position < 0 ? null : position + 1,
  }
}

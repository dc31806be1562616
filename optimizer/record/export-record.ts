/** A record in the words of other programs that fetch files ahead. docs/record.md says which. */
import { isUtf8 } from 'node:buffer'
import type { AccessRecord, RecordEntry } from '../../shared/record.ts'

export const EXPORT_FORMATS = ['nydus', 'soci', 'overlaybd', 'original', 'list'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportedRecord {
  text: string
  /** Files that are in it, each once. */
  files: number
  /** Paths that the format cannot hold; as text for people. */
  leftOut: string[]
}

/** In record order. */
export function exportRecord({ entries }: AccessRecord, format: ExportFormat): ExportedRecord {
  const fits = format === 'nydus' || format === 'original' ? isUtf8 : isLine
  // What is in several layers is one file to those that know no layers.
  const byLayer = format === 'original'
  const files = new Map<string, RecordEntry>()
  const leftOut = new Map<string, string>()
  for (const entry of entries) {
    const { path, layerIndex } = entry
    const key = `${byLayer ? layerIndex : ''} ${path.toString('latin1')}`
    if (fits(path)) files.set(key, files.get(key) ?? entry)
    else leftOut.set(key, path.toString())
  }
  return {
    text: WRITERS[format]([...files.values()]),
    files: files.size,
    leftOut: [...leftOut.values()],
  }
}

/** Whoever reads lines takes blanks at their ends away. */
function isLine(path: Buffer): boolean {
  return isUtf8(path) && !path.includes('\n') && path.toString().trim() === path.toString()
}

const absolute = ({ path }: RecordEntry) => `/${path}`
const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join('')

const WRITERS: Record<ExportFormat, (entries: readonly RecordEntry[]) => string> = {
  /** @see nydus, docs/nydusify.md, "Optimize nydus image from prefetch files" */
  nydus: (entries) =>
    json({ version: 'v1', files: entries.map((entry) => ({ path: absolute(entry), ranges: null })) }),
  /** @see soci-snapshotter, docs/prefetch.md, --prefetch-files-json */
  soci: (entries) => json(entries.map(absolute)),
  /** @see accelerated-container-image, docs/trace-prefetch.md, "Prioritize Files" */
  overlaybd: (entries) => lines(entries.map(absolute)),
  /** @see stargz-snapshotter, docs/ctr-remote.md, --record-out */
  original: (entries) =>
    lines(
      entries.map(({ path, manifestDigest, layerIndex }) =>
        JSON.stringify({
          path: path.toString(),
          manifestDigest: manifestDigest ?? '',
          layerIndex: layerIndex ?? 0,
        }),
      ),
    ),
  /** @see docs/prefetch-list.md */
  list: (entries) => lines(entries.map(({ path }) => path.toString().replace(/^[#!]/, '\\$&'))),
}

function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

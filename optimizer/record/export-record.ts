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
  /** How many of these are at the end of `leftOut` because the format's reader takes no more. */
  cut: number
}

/** overlaybd reads no list that is larger: it passes over the whole of it. */
const OVERLAYBD_BYTES_MAX = 65_536
const BYTES_MAX: Partial<Record<ExportFormat, number>> = { overlaybd: OVERLAYBD_BYTES_MAX }

/** In record order. */
export function exportRecord({ entries }: AccessRecord, format: ExportFormat): ExportedRecord {
  const fits = FITS[format]
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
  const kept = withinBytes([...files.values()], BYTES_MAX[format] ?? Number.POSITIVE_INFINITY)
  const cut = [...files.values()].slice(kept.length)
  return {
    text: WRITERS[format](kept),
    files: kept.length,
    leftOut: [...leftOut.values(), ...cut.map(({ path }) => path.toString())],
    cut: cut.length,
  }
}

/** The longest beginning whose lines have no more bytes: what was read first is what counts. */
function withinBytes(entries: readonly RecordEntry[], bytesMax: number): readonly RecordEntry[] {
  let bytes = 0
  const beyond = entries.findIndex((entry) => {
    bytes += Buffer.byteLength(lines([absolute(entry)]))
    return bytes > bytesMax
  })
  return beyond < 0 ? entries : entries.slice(0, beyond)
}

/** Whoever reads lines takes blanks at their ends away. */
function isLine(path: Buffer): boolean {
  return isTrimmed(path) && !path.includes('\n')
}

function isTrimmed(path: Buffer): boolean {
  return isUtf8(path) && path.toString().trim() === path.toString()
}

const FITS: Record<ExportFormat, (path: Buffer) => boolean> = {
  nydus: isUtf8,
  /** @see soci-snapshotter, cmd/soci/commands/internal/prefetch.go: an array of strings, each trimmed */
  soci: isTrimmed,
  /** @see overlaybd, src/prefetch.cpp, DynamicPrefetcher: lines of other characters are passed over */
  overlaybd: (path) => /^[\w./-]+$/.test(path.toString('latin1')),
  original: isUtf8,
  list: isLine,
}

const absolute = ({ path }: RecordEntry) => `/${path}`
const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join('')

const WRITERS: Record<ExportFormat, (entries: readonly RecordEntry[]) => string> = {
  /** @see nydus, docs/nydusify.md, "Optimize nydus image from prefetch files"; builder/src/optimize_prefetch.rs */
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

/** The result of `optimize` as a few lines for a person. */
import { formatBytes, formatSeconds } from './console.ts'
import type { LayerResult, OptimizeResult } from './result.ts'
import { formatTable } from './table.ts'

export function formatSummary(result: OptimizeResult): string {
  const total = (pick: (layer: LayerResult) => number) =>
    result.layers.reduce((sum, layer) => sum + pick(layer), 0)
  const rows = result.layers.map((layer) => layerRow(String(layer.index), layer))
  rows.push(
    layerRow('all', {
      source: { sizeBytes: total((layer) => layer.source.sizeBytes) },
      target: { sizeBytes: total((layer) => layer.target.sizeBytes) },
      prioritizedFiles: total((layer) => layer.prioritizedFiles),
      entries: total((layer) => layer.entries),
      hotZoneBytes: total((layer) => layer.hotZoneBytes),
    }),
  )
  return [
    ...formatTable(['layer', 'before', 'after', 'files first', 'of entries', 'bytes first'], rows),
    ...result.layers.flatMap(noteLines),
    result.stages.map((stage) => `${stage.name} ${formatSeconds(stage.seconds)}`).join(', '),
    `${result.target.name} is ready: ${result.target.digest}`,
  ].join('\n')
}

interface Row {
  source: { sizeBytes: number }
  target: { sizeBytes: number }
  prioritizedFiles: number
  entries: number
  hotZoneBytes: number
}

function layerRow(name: string, row: Row): string[] {
  return [
    name,
    formatBytes(row.source.sizeBytes),
    formatBytes(row.target.sizeBytes),
    String(row.prioritizedFiles),
    String(row.entries),
    formatBytes(row.hotZoneBytes),
  ]
}

const NOTE_TEXTS: Record<keyof LayerResult['notes'], string> = {
  duplicateNames: 'earlier entries of a name that came again were left out',
  sparseEntries: 'sparse files became regular files',
  globalHeaders: 'global pax headers were left out, as container runtimes do',
  formatEntries: 'landmarks and TOC of an earlier optimization were left out',
  unknownTypes: 'entries of an unknown type were left out',
}

function noteLines(layer: LayerResult): string[] {
  return (Object.keys(NOTE_TEXTS) as (keyof typeof NOTE_TEXTS)[])
    .filter((name) => layer.notes[name] > 0)
    .map((name) => `layer ${layer.index}: ${layer.notes[name]} ${NOTE_TEXTS[name]}`)
}

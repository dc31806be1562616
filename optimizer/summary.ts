/** The result of a conversion as a few lines for a person. */
import { printablePath } from '../shared/text.ts'
import { formatBytes, formatSeconds } from './console.ts'
import { leftOutLines, warningLines } from './plan/text.ts'
import { percent } from './plan/warnings.ts'
import type { ConversionResult, LayerResult, OrderResult, PlatformResult } from './result.ts'
import type { ShortPlan } from './short-plan.ts'
import { formatTable } from './table.ts'

/** Folders that are named after a conversion. */
const PLAN_NAMED_MAX = 3

export function formatSummary(result: ConversionResult): string {
  return [
    ...result.platforms.flatMap((platform) => platformLines(platform, result.platforms.length > 1)),
    result.stages.map((stage) => `${stage.name} ${formatSeconds(stage.seconds)}`).join(', '),
    ...(result.tocImage === null
      ? []
      : [`${result.tocImage.name} holds its tables of contents: ${result.tocImage.digest}`]),
    `${result.target.name} is ready: ${result.target.digest}`,
  ].join('\n')
}

function platformLines({ platform, layers, order, plan }: PlatformResult, several: boolean): string[] {
  const total = (pick: (layer: LayerResult) => number) => layers.reduce((sum, layer) => sum + pick(layer), 0)
  const rows = layers.map((layer) => layerRow(`${layer.index}${layer.reused ? ' kept' : ''}`, layer))
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
    ...(several ? [`${platform}:`] : []),
    ...formatTable(['layer', 'before', 'after', 'files first', 'of entries', 'bytes first'], rows),
    ...layers.flatMap(noteLines),
    ...orderLines(order),
    ...planLines(plan),
  ]
}

function planLines({ hotZoneBytes, sizeBytes, hotFiles, warnings, ...largest }: ShortPlan): string[] {
  if (hotFiles === 0) return warningLines(warnings)
  const folders = largest.largestDirectories
    .slice(0, PLAN_NAMED_MAX)
    .map(({ path, hotContentBytes }) => `${printablePath(path)} ${formatBytes(hotContentBytes)}`)
  const [file] = largest.largestFiles
  const where = folders.length === 0 ? '' : `; most of it in ${folders.join(', ')}`
  const largestFile =
    file === undefined
      ? ''
      : `; the largest file is ${printablePath(file.path)}, ${formatBytes(file.sizeBytes)}`
  return [
    `a client fetches ${formatBytes(hotZoneBytes)} of ${formatBytes(sizeBytes)} ahead (${percent(hotZoneBytes, sizeBytes)})` +
      `${where}${largestFile}`,
    ...warningLines(warnings),
  ]
}

function orderLines({ missingPaths, unknownLines, unknownExclusions, leftOut }: OrderResult): string[] {
  const lines = leftOutLines(leftOut)
  if (missingPaths > 0) lines.push(`${missingPaths} paths that were to come first are in no layer`)
  if (unknownLines > 0) lines.push(`${unknownLines} lines of the prefetch list name nothing of the image`)
  if (unknownExclusions > 0) lines.push(`${unknownExclusions} globs of --exclude match no file of the image`)
  return lines
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
  contiguousEntries: 'files of the type for contiguous ones became regular files',
  globalHeaders: 'global pax headers were left out, as container runtimes do',
  formatEntries: 'entries of an earlier optimization were left out (landmark, TOC)',
  unknownTypes: 'entries of an unknown type were left out',
}

function noteLines(layer: LayerResult): string[] {
  return (Object.keys(NOTE_TEXTS) as (keyof typeof NOTE_TEXTS)[])
    .filter((name) => layer.notes[name] > 0)
    .map((name) => `layer ${layer.index}: ${layer.notes[name]} ${NOTE_TEXTS[name]}`)
}

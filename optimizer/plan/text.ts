/** An analysis as a few lines for a person. */
import { countedFiles, formatBytes, printable, printableName, printablePath } from '../../shared/text.ts'
import type { AnalysisWarning, ImageAnalysis, LayerAnalysis, LeftOut, ZoneSums } from './analysis.ts'
import { type LargeDirectory, type LargeFile, largestDirectories, largestFiles } from './largest.ts'
import { contentOf } from './sums.ts'
import { openedOnlyFiles, percent } from './warnings.ts'

const LARGEST_MAX = 10
/** Of what is left out, for each reason. */
const NAMED_MAX = 5

/** @param table lays out columns */
export function formatAnalysis(
  analysis: ImageAnalysis,
  table: (head: string[], rows: string[][]) => string[],
): string {
  const { name, platform, layers, sums, leftOut, warnings } = analysis
  const hasReads = analysis.records.length > 0
  const rows = layers.map((layer) => layerRow(layer, analysis.kind === 'finished', hasReads))
  const isKnown = analysis.kind === 'planned' || layers.some(({ tocBytes }) => tocBytes !== null)
  const reads = hasReads ? ['read', 'read and first'] : []
  return [
    `${printableName(name)} (${platform})`,
    ...table(
      ['layer', 'format', 'size', 'files', 'files first', 'content first', 'bytes first', 'share', ...reads],
      [...rows, shown(row('all', '', sums, hasReads), isKnown)],
    ),
    ...largestFileLines(largestFiles(layers, LARGEST_MAX)),
    ...largestDirectoryLines(
      largestDirectories(
        layers.flatMap(({ files }) => files),
        LARGEST_MAX,
      ),
    ),
    ...openedLines(layers),
    ...leftOutLines(leftOut),
    ...warningLines(warnings),
    '',
  ].join('\n')
}

/** What is in a finished layer without a TOC is not known. */
function layerRow(
  { index, format, tocBytes, sums }: LayerAnalysis,
  isFinished: boolean,
  hasReads: boolean,
): string[] {
  const cells = row(String(index), format, sums, hasReads)
  return shown(cells, !isFinished || tocBytes !== null)
}

/** Of what is in there, once it is known. */
function shown(cells: string[], isKnown: boolean): string[] {
  return isKnown ? cells : cells.map((cell, column) => (column < 3 ? cell : '-'))
}

function row(name: string, format: string, sums: ZoneSums, hasReads: boolean): string[] {
  const { sizeBytes, files, hotFiles, hotContentBytes, hotZoneBytes, readFiles, hitFiles } = sums
  return [
    ...[name, format, formatBytes(sizeBytes), String(files), String(hotFiles), formatBytes(hotContentBytes)],
    ...[formatBytes(hotZoneBytes), percent(hotZoneBytes, sizeBytes)],
    ...(hasReads ? [String(readFiles), String(hitFiles)] : []),
  ]
}

export function largestFileLines(files: readonly LargeFile[]): string[] {
  if (files.length === 0) return []
  const lines = files.map(
    ({ path, layerIndex, sizeBytes }) =>
      `  ${formatBytes(sizeBytes).padStart(10)}  ${printablePath(path)} (layer ${layerIndex})`,
  )
  return ['largest files that come first:', ...lines]
}

export function largestDirectoryLines(directories: readonly LargeDirectory[]): string[] {
  if (directories.length === 0) return []
  const lines = directories.map(
    ({ path, hotFiles, hotContentBytes }) =>
      `  ${formatBytes(hotContentBytes).padStart(10)}  ${printablePath(path)} (${countedFiles(hotFiles)})`,
  )
  return ['folders that hold most of it:', ...lines]
}

function openedLines(layers: readonly LayerAnalysis[]): string[] {
  const opened = openedOnlyFiles(layers).sort((a, b) => b.sizeBytes - a.sizeBytes)
  if (opened.length === 0) return []
  const named = opened.slice(0, NAMED_MAX).map(({ path }) => printablePath(path))
  const more = opened.length > NAMED_MAX ? ', …' : ''
  return [
    `opened and not read, or mapped only: ${countedFiles(opened.length)}, ${formatBytes(contentOf(opened))}: ${named.join(', ')}${more}`,
  ]
}

const REASONS: Record<LeftOut['reason'], string> = {
  budget: 'cut by the budget',
  excluded: 'excluded',
  absent: 'in no layer where it was read',
  'other-image': 'of another manifest',
}

export function leftOutLines(leftOut: readonly LeftOut[]): string[] {
  return (Object.keys(REASONS) as LeftOut['reason'][]).flatMap((reason) => {
    const files = leftOut.filter((file) => file.reason === reason)
    if (files.length === 0) return []
    const bytes = files.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0)
    const named = files.slice(0, NAMED_MAX).map(({ path }) => printablePath(path))
    const more = files.length > NAMED_MAX ? ', …' : ''
    return [
      `${REASONS[reason]}: ${countedFiles(files.length)}, ${formatBytes(bytes)}: ${named.join(', ')}${more}`,
    ]
  })
}

export function warningLines(warnings: readonly AnalysisWarning[]): string[] {
  return warnings.map(({ code, message }) => `warning: ${printable(message)} [${code}]`)
}

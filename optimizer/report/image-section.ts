/** Sections: where the image's bytes are, and what of each layer a start fetches. */
import type { ImageAnalysis } from '../plan/analysis.ts'
import { bar } from './bars.ts'
import { escaped } from './escape.ts'
import { bytesText, count, counted, shareText } from './format.ts'
import { type LayerSums, layerSums } from './layer-sums.ts'
import { figure, legend, table } from './tables.ts'
import { treemapFigure } from './treemap.ts'

export function treemapSection(analysis: ImageAnalysis): string {
  const hasRecord = analysis.records.length > 0
  const isOrdered = analysis.layers.some(({ landmark }) => landmark !== null) || analysis.sums.hotFiles > 0
  const keys = legend([
    { style: 'first', text: hasRecord ? (isOrdered ? 'read, and comes first' : 'read') : 'comes first' },
    ...(hasRecord && isOrdered ? [{ style: 'late', text: 'read, but does not come first' }] : []),
    ...(hasRecord && isOrdered ? [{ style: 'idle', text: 'comes first, but was not read' }] : []),
    { style: 'cold', text: hasRecord ? 'not read' : 'the rest' },
  ])
  const about = `Every rectangle is a file, or several small ones of a folder; its area is what it takes to pull, compressed.${isEstimated(analysis) ? ' Where a layer has no table of contents, as if all of it were compressed alike.' : ''}`
  return figure(
    'bytes',
    'Where the bytes are',
    about,
    `${keys}<div class="figure">${treemapFigure(analysis)}</div>`,
  )
}

function isEstimated({ layers }: ImageAnalysis): boolean {
  return layers.some(({ files }) => files.some(({ compressedBytes }) => compressedBytes === null))
}

export function layersSection(analysis: ImageAnalysis): string {
  const layers = layerSums(analysis)
  const whole = Math.max(...layers.map(({ sizeBytes }) => sizeBytes), 0)
  const hasRecord = analysis.records.length > 0
  const rows = layers.map((layer) => [
    String(layer.index),
    bar(parts(layer), whole),
    bytesText(layer.readBytes),
    bytesText(layer.alongBytes),
    bytesText(layer.sizeBytes),
    hasRecord
      ? `${count(layer.readFiles)} of ${count(layer.files)}`
      : `${count(layer.firstFiles)} of ${count(layer.files)}`,
  ])
  const sum = (pick: (layer: LayerSums) => number) => layers.reduce((total, layer) => total + pick(layer), 0)
  const [read, along, size] = [
    sum((one) => one.readBytes),
    sum((one) => one.alongBytes),
    sum((one) => one.sizeBytes),
  ]
  const about = `A start needs ${bytesText(read)}, ${shareText(read, size)} of the image; ${bytesText(along)} come along with that. The bars share one scale.`
  const keys = legend([
    { style: 'first', text: hasRecord ? 'read' : 'comes first' },
    { style: 'idle', text: 'comes along: other files before the landmark, headers, the rest of a piece' },
    { style: 'toc', text: 'table of contents' },
    { style: 'cold', text: 'stays where it is' },
  ])
  const columns = [
    { title: 'layer' },
    { title: '<span class="unseen">share</span>', isWide: true },
    { title: hasRecord ? 'read' : 'first', isNumber: true },
    { title: 'along', isNumber: true, isAside: true },
    { title: 'size', isNumber: true },
    { title: 'files', isNumber: true },
  ]
  return figure(
    'layers',
    'Layer by layer',
    about,
    keys + table({ caption: 'Layers of the image, the lowest first', columns, rows }),
  )
}

function parts({ readBytes, alongBytes, tocBytes, coldBytes }: LayerSums) {
  return [
    { style: 'first', amount: readBytes },
    { style: 'idle', amount: alongBytes },
    { style: 'cold', amount: coldBytes },
    { style: 'toc', amount: tocBytes },
  ]
}

/** What the analysis warns of, and what was wanted and does not come first. */
export function warningsSection({ warnings, leftOut }: ImageAnalysis): string {
  if (warnings.length === 0 && leftOut.length === 0) return ''
  const items = warnings.map(({ message }) => `<li>${escaped(message)}</li>`)
  if (leftOut.length > 0)
    items.push(`<li>${counted(leftOut.length, 'path was', 'paths were')} wanted first and left out.</li>`)
  return figure(
    'warnings',
    'Worth a look',
    'What the analysis noticed.',
    `<ul class="warnings">${items.join('')}</ul>`,
  )
}

/** What `npm start` tells a newcomer at the end. */
import { formatBytes, formatSeconds } from '../optimizer/console.ts'
import type { ConversionResult, LayerResult } from '../optimizer/result.ts'
import { formatTable } from '../optimizer/table.ts'

/**
 * @param proof lines that say how it is known that the result is sound
 * @param otherWay lines of how it goes without containerd, where it has gone with it
 */
export function formatReport(
  result: ConversionResult,
  layerTitles: string[],
  proof: string[],
  otherWay: string[] = [],
): string {
  return `${[
    title('The layers'),
    ...layerTable(result.layers, layerTitles),
    '',
    ...startUpNeeds(result.layers),
    '',
    title('The proof'),
    ...proof,
    '',
    ...(otherWay.length === 0 ? [] : [title('The same without containerd'), ...otherWay, '']),
    title('The time'),
    ...formatTable(
      ['stage', 'time'],
      result.stages.map(({ name, seconds }) => [name, formatSeconds(seconds)]),
    ),
    '',
    title('Your own image'),
    'Pull it into containerd, optimize it, push the result (as root, or with sudo):',
    '',
    '  ctr image pull docker.io/library/python:3.12',
    '  bin/optimizer optimize docker.io/library/python:3.12 registry.example.com/me/python:3.12-esgz \\',
    '    --period 10s --args \'["python3", "-c", "import json, http.server"]\'',
    '  ctr image push registry.example.com/me/python:3.12-esgz',
    '',
    'or, without containerd, one in an OCI layout or an archive:',
    '',
    '  bin/optimizer optimize oci:python oci:python:esgz --period 10s',
    '',
    'bin/optimizer optimize --help lists the options; the result also runs wherever the original does.',
  ].join('\n')}\n`
}

function title(text: string): string {
  return `${text}\n${'─'.repeat(text.length)}`
}

function layerTable(layers: LayerResult[], titles: string[]): string[] {
  const head = ['layer', 'before', 'after', 'entries', 'moved to the front', 'their content', 'fetched first']
  const rows = layers.map((layer) => row(titles[layer.index] ?? String(layer.index), layer))
  const all = {
    source: { sizeBytes: sum(layers, (layer) => layer.source.sizeBytes) },
    target: { sizeBytes: sum(layers, (layer) => layer.target.sizeBytes) },
    entries: sum(layers, (layer) => layer.entries),
    prioritizedFiles: sum(layers, (layer) => layer.prioritizedFiles),
    prioritizedBytes: sum(layers, (layer) => layer.prioritizedBytes),
    hotZoneBytes: sum(layers, (layer) => layer.hotZoneBytes),
  }
  return formatTable(head, [...rows, row('all', all)])
}

type Figures = Pick<LayerResult, 'entries' | 'prioritizedFiles' | 'prioritizedBytes' | 'hotZoneBytes'> & {
  source: { sizeBytes: number }
  target: { sizeBytes: number }
}

function row(name: string, layer: Figures): string[] {
  return [
    name,
    formatBytes(layer.source.sizeBytes),
    formatBytes(layer.target.sizeBytes),
    String(layer.entries),
    `${layer.prioritizedFiles} files`,
    formatBytes(layer.prioritizedBytes),
    formatBytes(layer.hotZoneBytes),
  ]
}

function startUpNeeds(layers: LayerResult[]): string[] {
  const read = sum(layers, (layer) => layer.prioritizedBytes)
  const content = sum(layers, (layer) => layer.uncompressedBytes)
  const first = sum(layers, (layer) => layer.hotZoneBytes)
  const blobs = sum(layers, (layer) => layer.target.sizeBytes)
  return [
    `From its start to its first page the app read ${percent(read, content)} of the image.`,
    `A client that pulls lazily fetches ${formatBytes(first)} first instead of ${formatBytes(blobs)} (${percent(first, blobs)}),`,
    'and the rest in the background; any other client sees an ordinary image.',
  ]
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : ((100 * part) / whole).toFixed(1)} %`
}

function sum(layers: LayerResult[], pick: (layer: LayerResult) => number): number {
  return layers.reduce((total, layer) => total + pick(layer), 0)
}

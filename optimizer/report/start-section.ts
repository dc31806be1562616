/** Section: how soon the image is predicted to be up, and what changed between two images. */
import type { Simulation, Way } from '../simulate/simulate.ts'
import { bar } from './bars.ts'
import { escaped, shortened } from './escape.ts'
import { bytesText, count, secondsText } from './format.ts'
import type { Report, ReportedImage } from './report.ts'
import { figure, legend, table } from './tables.ts'

const WAYS: Record<Way, string> = {
  full: 'in full',
  lazy: 'lazily, as it is',
  'by-record': 'lazily, ordered by the record',
}

const UNTIL: Record<Simulation['own']['until'], string> = {
  ready: 'ready',
  end: 'at its end',
  reads: 'done with its first reads',
}

export function startSection(report: Report): string {
  const simulated = report.images.filter(({ simulation }) => simulation !== undefined)
  const [own] = simulated.map(({ simulation }) => simulation?.own)
  if (own === undefined) return ''
  const about = `Predicted by a model of the two clients, not measured: until the workload is ${UNTIL[own.until]}, which took it ${secondsText(own.seconds)} where all of the image was there. Each link has its own scale; the model’s assumptions and error are in docs/simulator.md.`
  const keys = legend([
    { style: 'pull', text: 'until the image can be run' },
    { style: 'run', text: 'until the workload is up' },
  ])
  const links = simulated[0]?.simulation?.links ?? []
  const blocks = links.map(({ link }, index) => linkBlock(simulated, escaped(link.title), index))
  return figure('starts', 'How soon it is up', about, `${keys}<div class="links">${blocks.join('\n')}</div>`)
}

function linkBlock(images: readonly ReportedImage[], title: string, index: number): string {
  const isComparison = images.length > 1
  // What an order would bring the second image shows.
  const isShown = ({ way }: { way: Way }) => !(isComparison && way === 'by-record')
  const starts = images.flatMap(({ simulation }, at) =>
    (simulation?.links[index]?.starts ?? []).filter(isShown).map((start) => ({
      ...start,
      image: isComparison ? at : null,
    })),
  )
  const whole = Math.max(...starts.map(({ start }) => start.totalSeconds))
  const rows = starts.map(({ way, start, image }) => [
    `${image === null ? '' : image === 0 ? 'before: ' : 'after: '}${WAYS[way]}`,
    bar(
      [
        { style: 'pull', amount: start.pullSeconds },
        { style: 'run', amount: start.runSeconds },
      ],
      whole,
    ),
    `<strong>${secondsText(start.totalSeconds)}</strong>`,
    bytesText(start.wireBytes),
    count(start.requests),
  ])
  const columns = [
    { title: 'pulled' },
    { title: '<span class="unseen">time</span>', isWide: true },
    { title: 'up after', isNumber: true },
    { title: 'transferred', isNumber: true },
    { title: 'requests', isNumber: true, isAside: true },
  ]
  return `<h3>${title}</h3>${table({ caption: `Predicted starts over ${title}`, columns, rows })}`
}

/** @returns '' unless there are two images */
export function comparisonSection({ images }: Report): string {
  const [before, after] = images
  // What a plan puts first does not come first in the image that is there.
  const first = ({ analysis }: ReportedImage, value: number) => (analysis.kind === 'planned' ? 0 : value)
  if (before === undefined || after === undefined) return ''
  const figures: [string, (image: ReportedImage) => string][] = [
    [
      'image',
      ({ analysis }) =>
        `<bdi class="name">${escaped(shortened(analysis.name, 60)).replace(/[/:]/g, '$&<wbr>')}</bdi>`,
    ],
    ['size, compressed', ({ analysis }) => bytesText(analysis.sums.sizeBytes)],
    ['files', ({ analysis }) => count(analysis.sums.files)],
    ['files that come first', (image) => count(first(image, image.analysis.sums.hotFiles))],
    ['fetched before the start', (image) => bytesText(first(image, image.analysis.sums.hotZoneBytes))],
    ['tables of contents', ({ analysis }) => bytesText(tocBytes(analysis))],
    ['files read', ({ analysis }) => count(analysis.sums.readFiles)],
    ['of these, first', (image) => count(first(image, image.analysis.sums.hitFiles))],
  ]
  const rows = figures.map(([title, text]) => [title, text(before), text(after)])
  const columns = [{ title: '' }, { title: 'before', isNumber: true }, { title: 'after', isNumber: true }]
  const [head] = columns
  if (head !== undefined) head.title = '<span class="unseen">figure</span>'
  return figure(
    'comparison',
    'Before and after',
    'The two images side by side; all bytes are compressed.',
    table({ caption: 'Two images side by side', columns, rows }),
  )
}

function tocBytes({ layers }: ReportedImage['analysis']): number {
  return layers.reduce((sum, layer) => sum + (layer.tocBytes ?? 0), 0)
}

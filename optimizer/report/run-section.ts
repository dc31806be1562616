/** The head of the page: what was run, how it stopped, and the one sentence to take away. */
import type { RecordHeader } from '../../shared/record.ts'
import { escaped, isolated, shortened } from './escape.ts'
import { bytesText, counted, secondsText, shareText } from './format.ts'
import { layerSums } from './layer-sums.ts'
import type { Report } from './report.ts'

const ARGUMENTS_SHOWN_MAX = 400

export function headSection(report: Report): string {
  const { run, images } = report
  const name = images.at(-1)?.analysis.name ?? run?.header?.image?.reference ?? run?.file ?? ''
  return `<header>
<p class="kicker">What a start reads</p>
<h1><bdi>${escaped(shortened(name, 160)).replace(/[/:]/g, '$&<wbr>')}</bdi></h1>
<p class="lead">${lead(report)}</p>
${run?.header == null ? '' : runFacts(run.header)}</header>`
}

function lead({ files, images, run }: Report): string {
  const content = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const analysis = images.at(-1)?.analysis
  if (analysis === undefined)
    return `The run read ${counted(files.length, 'file')} of the image, ${bytesText(content)} of content.`
  const { sums } = analysis
  const layers = layerSums(analysis)
  const stored = layers.reduce((sum, { readBytes }) => sum + readBytes, 0)
  const share = shareText(stored, sums.sizeBytes)
  const what =
    run === null
      ? `Of ${counted(sums.files, 'file')}, ${counted(sums.hotFiles, 'comes', 'come')} first`
      : `Of ${counted(sums.files, 'file')}, the run read ${counted(files.length, '', '').trim()}`
  return `${what}: ${bytesText(stored)} of the ${bytesText(sums.sizeBytes)} that a full pull transfers, ${share}.${predicted(images.at(-1))}`
}

/** Over the link in the middle. */
function predicted(image: Report['images'][number] | undefined): string {
  const links = image?.simulation?.links ?? []
  const middle = links[Math.floor(links.length / 2)]
  const full = middle?.starts.find(({ way }) => way === 'full')?.start
  const best = middle?.starts.at(-1)
  if (middle === undefined || full === undefined || best === undefined || best.way === 'full') return ''
  const how = best.way === 'lazy' ? 'Pulled lazily' : 'Pulled lazily with these files first'
  return ` ${how} over ${escaped(middle.link.title)}, it is predicted to be up after ${secondsText(best.start.totalSeconds)}; pulled in full, after ${secondsText(full.totalSeconds)}.`
}

function runFacts(header: RecordHeader): string {
  const { workload, stop, durationSeconds, exitStatus, complete, image } = header
  const facts: [string, string][] = [
    ['Command', `<code>${isolated(shortened(commandText(workload.args), ARGUMENTS_SHOWN_MAX))}</code>`],
    [
      'Recorded of',
      image === null ? 'no image' : `${isolated(image.reference)} <small>${escaped(image.platform)}</small>`,
    ],
    ['Ready', stop.readySeconds === null ? 'not asked for' : `after ${secondsText(stop.readySeconds)}`],
    ['Stopped', `${isolated(stop.reason)}, after ${secondsText(durationSeconds)}${statusText(exitStatus)}`],
    ['Complete', complete ? 'yes: no access is known to be missing' : incomplete(header)],
    [
      'When',
      `${escaped(header.started.replace('T', ' ').replace(/\.\d+/, ''))} <small>Linux ${escaped(header.kernel)}</small>`,
    ],
  ]
  for (const step of header.drive ?? [])
    facts.splice(3, 0, ['Driven by', `<code>${isolated(driveText(step))}</code>`])
  for (const { name, args } of header.workloads ?? [])
    facts.splice(1, 0, [
      'Workload',
      `${isolated(name)}: <code>${isolated(shortened(commandText(args), ARGUMENTS_SHOWN_MAX))}</code>`,
    ])
  return `<dl class="facts">${facts.map(([term, text]) => `<div><dt>${term}</dt><dd>${text}</dd></div>`).join('')}</dl>`
}

function incomplete({ incompleteReasons }: RecordHeader): string {
  return `<strong class="alarm">no</strong>: ${incompleteReasons.map(isolated).join('; ')}`
}

function statusText(exitStatus: number | null): string {
  return exitStatus === null ? '' : `, status ${exitStatus}`
}

function driveText(step: NonNullable<RecordHeader['drive']>[number]): string {
  return 'exec' in step ? commandText(step.exec) : step.http
}

/** As a person would read it: words with anything but plain characters are quoted. */
function commandText(args: readonly string[]): string {
  return args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : JSON.stringify(arg))).join(' ')
}

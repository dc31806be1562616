/** Sections: the files that were read, the largest of them and all of them, and who read them. */
import { bar } from './bars.ts'
import { isolated, pathText } from './escape.ts'
import { bytesText, count, counted, shareText } from './format.ts'
import type { ReadFile } from './read-files.ts'
import { figure, table } from './tables.ts'

const LARGEST_SHOWN = 12
const PROCESSES_SHOWN = 12
/** Beyond that a page is slow to open, and nobody reads it. */
const FILES_SHOWN_MAX = 5000

export function largestSection(files: readonly ReadFile[]): string {
  const largest = files.toSorted((one, other) => other.sizeBytes - one.sizeBytes).slice(0, LARGEST_SHOWN)
  const all = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const these = largest.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (largest.length === 0) return ''
  const whole = largest[0]?.sizeBytes ?? 0
  const rows = largest.map(({ path, sizeBytes, process }) => [
    pathText(path),
    bar([{ style: 'first', amount: sizeBytes }], whole),
    bytesText(sizeBytes),
    process === null ? '–' : isolated(process),
  ])
  const columns = [
    { title: 'file' },
    { title: '<span class="unseen">size</span>', isWide: true },
    { title: 'content', isNumber: true },
    { title: 'first read by', isAside: true },
  ]
  const about = `These ${count(largest.length)} have ${shareText(these, all)} of all content that was read. A file counts as a whole once it is opened: a client fetches it so, or in chunks of 4 MiB.`
  return figure(
    'largest',
    'The largest files that were read',
    about,
    table({ caption: 'The largest files that were read', columns, rows }),
  )
}

export function processesSection(files: readonly ReadFile[]): string {
  const known = files.filter(({ process, kinds }) => process !== null || !kinds.includes('copy-up'))
  const byName = new Map<string, { files: number; bytes: number; firstSeconds: number | null }>()
  for (const { process, sizeBytes, atSeconds } of known) {
    const name = process ?? '(had ended)'
    const sums = byName.get(name) ?? { files: 0, bytes: 0, firstSeconds: atSeconds }
    byName.set(name, { ...sums, files: sums.files + 1, bytes: sums.bytes + sizeBytes })
  }
  if (byName.size === 0 || known.every(({ process }) => process === null)) return ''
  const sorted = [...byName].sort(([, one], [, other]) => other.files - one.files)
  const whole = sorted[0]?.[1].files ?? 0
  const rows = sorted
    .slice(0, PROCESSES_SHOWN)
    .map(([name, sums]) => [
      isolated(name),
      bar([{ style: 'run', amount: sums.files }], whole),
      count(sums.files),
      bytesText(sums.bytes),
    ])
  const rest = sorted.length - rows.length
  const columns = [
    { title: 'process' },
    { title: '<span class="unseen">files</span>', isWide: true },
    { title: 'files', isNumber: true },
    { title: 'content', isNumber: true },
  ]
  const about = `Each file is counted once, for the process that opened it first.${rest > 0 ? ` ${counted(rest, 'more process has', 'more processes have')} read fewer.` : ''}`
  return figure(
    'processes',
    'Who read them',
    about,
    table({ caption: 'Processes by files read first', columns, rows }),
  )
}

/** All of them to search in; the field for it comes with the script, the browser's own search is always there. */
export function allFilesSection(files: readonly ReadFile[]): string {
  const shown = files.slice(0, FILES_SHOWN_MAX)
  const hasImage = shown.some(({ hot }) => hot !== null)
  const rows = shown.map((file, index) => [
    count(index + 1),
    pathText(file.path),
    bytesText(file.sizeBytes),
    file.layer === null ? '–' : String(file.layer),
    file.atSeconds === null ? '–' : file.atSeconds.toFixed(3),
    file.process === null ? '–' : isolated(file.process),
    ...(hasImage ? [file.hot === null ? '–' : file.hot ? 'first' : 'later'] : []),
  ])
  const columns = [
    { title: '#', isNumber: true, isAside: true },
    { title: 'file' },
    { title: 'content', isNumber: true },
    { title: 'layer', isNumber: true, isAside: true },
    { title: 'at s', isNumber: true },
    { title: 'first read by', isAside: true },
    ...(hasImage ? [{ title: 'comes' }] : []),
  ]
  const rest = files.length - shown.length
  const about = `In order of first access${rest > 0 ? `; ${counted(rest, 'later one is', 'later ones are')} left out here, the record has all` : ''}.`
  const search = `<p id="search-field" hidden><label for="search">Search by path or process</label> <input id="search" type="search" autocomplete="off"> <output id="search-count" for="search"></output></p>`
  return figure(
    'files',
    'Every file that was read',
    about,
    search + table({ caption: 'Every file that was read', columns, rows, id: 'all-files' }),
  )
}

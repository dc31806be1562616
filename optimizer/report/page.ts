/** The page as one file: no network, no script needed, dark and light, printable. docs/report.md tells how to read it. */
import { createHash } from 'node:crypto'
import { escaped, shortened } from './escape.ts'
import { allFilesSection, largestSection, processesSection } from './files-section.ts'
import { layersSection, treemapSection, warningsSection } from './image-section.ts'
import { PAGE_STYLE } from './page-style.ts'
import type { Report } from './report.ts'
import { headSection } from './run-section.ts'
import { SEARCH_SCRIPT } from './search-script.ts'
import { comparisonSection, startSection } from './start-section.ts'
import { figure } from './tables.ts'
import { timelineFigure } from './timeline.ts'

export function reportPage(report: Report): string {
  const { run, files, images, madeBy } = report
  const analysis = images.at(-1)?.analysis
  const name = analysis?.name ?? run?.header?.image?.reference ?? run?.file ?? ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(shortened(name, 120))}: what a start reads</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${headSection(report)}
<main>
${timelineSection(report)}
${analysis === undefined ? '' : treemapSection(analysis)}
${analysis === undefined ? '' : layersSection(analysis)}
${startSection(report)}
${comparisonSection(report)}
${analysis === undefined ? '' : warningsSection(analysis)}
<div class="pair">
${largestSection(files)}
${processesSection(files)}
</div>
${files.length === 0 ? '' : allFilesSection(files)}
</main>
<footer>${escaped(madeBy)}. Units are decimal: 1 MB is a million bytes, 1 MiB is 1,048,576.</footer>
<script>${SEARCH_SCRIPT}</script>
</body>
</html>
`
}

/** Nothing is fetched, nothing sent; of style and script only these very ones. */
function contentSecurityPolicy(): string {
  const [style, script] = [PAGE_STYLE, SEARCH_SCRIPT].map(
    (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  )
  return `default-src 'none'; style-src ${style}; script-src ${script}; base-uri 'none'; form-action 'none'`
}

function timelineSection({ files, run }: Report): string {
  const drawn = timelineFigure(files, run?.header ?? null)
  if (drawn === '') return ''
  const about =
    'The line adds up the content of files at the moment each was opened for the first time; every tick below it is a file, in the row of the process that opened it.'
  return figure('when', 'When they were read', about, `<div class="figure">${drawn}</div>`)
}

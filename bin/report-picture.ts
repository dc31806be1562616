/**
 * The picture in README: a sample image is recorded and optimized, its report is opened in Chromium, the head of the
 * page becomes docs/images/report.png.
 *
 *   npm run picture -- [--image web] [--all FOLDER]
 *
 * --all: besides, the whole page and its pictures, light and dark, on a telephone and a desk.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startPrivateContainerd } from '../bench/sample/private-containerd.ts'
import { importImage } from '../bench/sample/run-image.ts'
import { buildSampleImage, type SampleKind } from '../bench/sample/sample-image.ts'
import { openBrowser } from '../test/helpers/browser.ts'

const OPTIMIZER = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))
const PICTURE = fileURLToPath(new URL('../../docs/images/report.png', import.meta.url))
const WIDTH_PIXELS = 1120
const HEIGHT_PIXELS = 1640
const WIDTHS = [375, 1440]

const execute = promisify(execFile)
const { values } = parseArgs({
  options: { image: { type: 'string', default: 'web' }, all: { type: 'string' } },
})
const folder = await mkdtemp(join(tmpdir(), 'hl-picture-'))
try {
  const report = await makeReport(values.image as SampleKind)
  await takePictures(report, values.all ?? null)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function makeReport(kind: SampleKind): Promise<string> {
  const { signal } = new AbortController()
  const log = { debug() {}, info: say, warn: say }
  const daemon = await startPrivateContainerd()
  try {
    const sample = await buildSampleImage({ kind, log, signal })
    await importImage(daemon, sample, signal)
    const where = ['--address', daemon.address, '--namespace', daemon.namespace]
    const [record, report] = [join(folder, 'record.jsonl'), join(folder, 'report.html')]
    const target = sample.name.replace(/:[^:]*$/, ':optimized')
    // Those that run to an end by themselves are given the time that they need; a server is asked for a page.
    const stop =
      kind === 'web' || kind === 'large'
        ? ['--http', 'GET http://localhost:8080/', '--settle', '500ms']
        : ['--period', '120s']
    await run(['optimize', sample.name, target, ...where, ...stop, '--record-out', record])
    await run(['report', record, target, ...where, '-o', report])
    return report
  } finally {
    await daemon.stop()
  }
}

async function run(args: string[]): Promise<void> {
  say(`optimizer ${args.join(' ')}`)
  await execute(process.execPath, [OPTIMIZER, ...args])
}

async function takePictures(report: string, all: string | null): Promise<void> {
  const browser = await openBrowser(join(folder, 'profile'))
  try {
    const page = browser.pages()[0] ?? (await browser.newPage())
    await page.goto(pathToFileURL(report).href)
    await page.setViewportSize({ width: WIDTH_PIXELS, height: HEIGHT_PIXELS })
    await mkdir(join(PICTURE, '..'), { recursive: true })
    await page.screenshot({ path: PICTURE, clip: { x: 0, y: 0, width: WIDTH_PIXELS, height: HEIGHT_PIXELS } })
    say(`wrote ${PICTURE}`)
    if (all === null) return
    await mkdir(all, { recursive: true })
    await copyFile(report, join(all, 'report.html'))
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of WIDTHS) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 900 })
        await page.screenshot({ path: join(all, `${colorScheme}-${width}.png`), fullPage: true })
      }
  } finally {
    await browser.close()
  }
}

function say(message: string): void {
  process.stderr.write(`picture: ${message}\n`)
}

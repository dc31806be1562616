/** The page in a real browser: what a reader sees, with and without scripts, light and dark, on a telephone and a desk. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import axe, { type AxeResults } from 'axe-core'
import type { BrowserContext, Page } from 'playwright-core'
import { reportPage } from '../../optimizer/report/page.ts'
import { readFilesOf } from '../../optimizer/report/read-files.ts'
import { LINKS } from '../../optimizer/simulate/link.ts'
import { simulate } from '../../optimizer/simulate/simulate.ts'
import { analysisOf, type FileText } from '../helpers/analysis.ts'
import { lackOfChromium, openBrowser } from '../helpers/browser.ts'

const WIDTHS = [375, 1440]
const HOSTILE = `</title><script>window.hurt = true</script><img src=x onerror="window.hurt = true">`

/** Some hundred files in three layers, the largest with a name that does not fit, one that would hurt. */
function sampleFiles(): FileText[][] {
  return [1, 2, 3].map((layer) =>
    Array.from({ length: 60 }, (_, index) => ({
      path: `usr/lib/python3/layer-${layer}/package-${index % 9}/module-${index}${index === 3 ? HOSTILE : ''}${'-long'.repeat(index % 30)}.so`,
      sizeBytes: 2000 * (index % 40) ** 3,
      ...(index % 3 === 0
        ? { readAt: index / 100, hot: index % 6 === 0, process: `worker-${index % 11}` }
        : {}),
    })),
  )
}

describe('the page in a browser', { skip: lackOfChromium() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hl-page-'))
  const address = pathToFileURL(join(folder, 'report.html')).href
  let browser: BrowserContext
  let page: Page
  const complaints: string[] = []

  before(async () => {
    const analysis = analysisOf(sampleFiles())
    const text = reportPage({
      madeBy: 'Made by a test',
      run: { file: 'web.jsonl', header: analysis.records[0]?.header ?? null },
      files: readFilesOf(analysis),
      images: [analysis, analysis].map((one) => ({ analysis: one, simulation: simulate(one, LINKS) })),
    })
    writeFileSync(join(folder, 'report.html'), text)
    browser = await openBrowser(join(folder, 'profile'))
    page = browser.pages()[0] ?? (await browser.newPage())
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => {
      if (request.url() !== address) complaints.push(`asks for ${request.url()}`)
    })
    await page.goto(address)
  })
  after(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('says what it is about', async () => {
    assert.equal(await page.locator('h1').textContent(), 'docker.io/library/web:1')
    assert.match((await page.locator('.lead').textContent()) ?? '', /^Of 180 files, the run read 60: /)
    assert.match(await page.title(), /what a start reads$/)
  })

  for (const width of WIDTHS)
    it(`fits into ${width} pixels, and shows one picture of each figure`, async () => {
      await page.setViewportSize({ width, height: 900 })
      const [inner, outer] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
      )
      assert.ok(inner <= outer, `${inner} of ${outer} pixels`)
      const [shown, hidden] = width < 700 ? ['narrow', 'wide'] : ['wide', 'narrow']
      for (const svg of await page.locator(`svg.${shown}`).all()) assert.equal(await svg.isVisible(), true)
      for (const svg of await page.locator(`svg.${hidden}`).all()) assert.equal(await svg.isVisible(), false)
    })

  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of WIDTHS)
      it(`has names and contrast that everybody can use, ${colorScheme}, ${width} pixels`, async () => {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 900 })
        await page.evaluate(axe.source)
        const { violations } = await page.evaluate<AxeResults>('axe.run()')
        const told = violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' ')}`,
        )
        assert.deepEqual(told, [])
      })

  it('has a search that leaves what matches', async () => {
    await page.setViewportSize({ width: 1440, height: 900 })
    await page.getByLabel('Search by path or process').fill('worker-10')
    const rows = page.locator('#all-files tbody tr:visible')
    assert.match((await rows.allInnerTexts()).join('\n'), /^(?:.*worker-10.*\n?)+$/)
    assert.match((await page.locator('#search-count').textContent()) ?? '', /^\d+ of 60$/)
    await page.getByLabel('Search by path or process').fill('')
    assert.equal(await rows.count(), 60)
  })

  it('is whole without scripts', async () => {
    const session = await browser.newCDPSession(page)
    await session.send('Emulation.setScriptExecutionDisabled', { value: true })
    await page.reload()
    assert.equal(await page.locator('#all-files tbody tr').count(), 60)
    assert.equal(await page.locator('#search-field').isVisible(), false)
    await session.send('Emulation.setScriptExecutionDisabled', { value: false })
    await page.reload()
  })

  it('prints on light paper, with the wide pictures', async () => {
    await page.emulateMedia({ media: 'print' })
    assert.equal(await page.locator('svg.wide').first().isVisible(), true)
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert.equal(background, 'rgb(255, 255, 255)')
    await page.emulateMedia({ media: null })
    const printed = await page.pdf({ format: 'A4' })
    assert.equal(printed.subarray(0, 5).toString(), '%PDF-')
  })

  it('has asked for nothing, complained of nothing, and run nothing of others', async () => {
    assert.equal(await page.evaluate('"hurt" in window'), false)
    assert.deepEqual(complaints, [])
  })
})

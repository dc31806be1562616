/** `optimizer report` and `simulate` on a layout: neither root nor a daemon, nothing is run. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { ReportResult } from '../../optimizer/report-file.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import type { SimulationResult } from '../../optimizer/simulation-result.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { resolveImage } from '../../optimizer/store/resolve.ts'
import { formatRecord } from '../../shared/record.ts'
import { json, run } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'

const words = (count: number) => Array.from({ length: count }, (_, index) => `word ${index * 7919}`).join(' ')
const LAYERS = [
  [dir('bin/'), file('bin/sh', words(3000)), file('bin/unused', words(5000))],
  [dir('app/'), file('app/main', words(9000)), file('app/cold', words(700))],
]

let folder: string
let record: string
const path = (name: string) => join(folder, name)
const [SOURCE, TARGET] = ['source', 'target']
const image = (name: string, tag = 'all') => `oci:${path(name)}:${tag}`
const simulate = (...options: string[]) => json<SimulationResult>('simulate', ...options)

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'report-'))
  record = path('record.jsonl')
  const layout = await OciLayout.openForWriting(path(SOURCE))
  await putPlatforms(layout, 'all', [
    { platform: hostPlatform(), layers: LAYERS.map((layer) => tarOf(layer)) },
  ])
  const { descriptor } = await resolveImage(layout.images, layout.content, 'all', hostPlatform())
  await layout.close()
  const manifestDigest = descriptor.digest
  const entries = [
    recordEntry('bin/sh', {
      manifestDigest,
      sizeBytes: 30_000,
      firstAccessMicroseconds: 1000,
      command: Buffer.from('sh'),
    }),
    recordEntry('app/main', { manifestDigest, layerIndex: 1, firstAccessMicroseconds: 900_000 }),
  ]
  const recorded = { reference: 'all', manifestDigest, platform: 'linux/amd64' }
  writeFileSync(record, formatRecord(sampleRecord(entries, { image: recorded })))
  const order = ['--record-in', record, '--workers', '1']
  await json<ConversionResult>(
    'convert',
    image(SOURCE),
    image(TARGET),
    ...order,
    '--report',
    path('converted.html'),
  )
})
after(() => rmSync(folder, { recursive: true, force: true }))

describe('optimizer report', () => {
  it('of a record and an image says what was read and what comes first', async () => {
    const result = await json<ReportResult>('report', record, image(TARGET), '-o', path('page.html'))
    const page = readFileSync(result.report, 'utf8')
    assert.deepEqual([result.files, result.bytes], [2, Buffer.byteLength(page)])
    assert.match(page, /<rect class="first"[^>]*><title>app\/main: /)
    assert.match(page, /<rect class="cold"[^>]*><title>bin\/unused: /)
    assert.match(page, /Of 4 files, the run read 2: /)
  })

  it('of an image that is not optimized says what was read, and predicts what an order would bring', async () => {
    await run('report', image(SOURCE), '--record-in', record, '-o', path('plain.html'))
    const page = readFileSync(path('plain.html'), 'utf8')
    assert.match(page, /<rect class="first"[^>]*><title>app\/main: /)
    assert.match(page, /lazily, ordered by the record/)
  })

  it('of two images sets them side by side', async () => {
    await run('report', image(SOURCE), image(TARGET), '--record-in', record, '-o', path('both.html'))
    assert.match(readFileSync(path('both.html'), 'utf8'), /<h2 id="comparison">Before and after/)
  })

  it('of a record alone, and of an image alone, has what is known', async () => {
    await run('report', record, '-o', path('record.html'))
    assert.match(readFileSync(path('record.html'), 'utf8'), /The run read 2 files of the image/)
    await run('report', image(TARGET), '-o', path('image.html'))
    assert.match(readFileSync(path('image.html'), 'utf8'), /Of 4 files, 2 come first/)
  })

  it('is written by a conversion, too', () => {
    assert.match(readFileSync(path('converted.html'), 'utf8'), /Of 4 files, the run read 2: /)
  })

  it('names what does not fit', async () => {
    const reject = async (args: string[], code: string) => await assert.rejects(run(...args), { code })
    await reject(['report'], 'USAGE')
    await reject(['report', image('a'), image('b'), image('c')], 'ARGUMENT_INVALID')
    for (const name of ['no-such.jsonl', './no-such', path('no-such')])
      await reject(['report', name, image(TARGET)], 'FILE_UNREADABLE')
    await reject(['report', record, '-o', '/no/such/folder/page.html'], 'OPTION_INVALID')
    await reject(['report', record, record, '-o', path('two.html')], 'ARGUMENT_INVALID')
    writeFileSync(path('original.json'), `${JSON.stringify({ path: 'bin/sh' })}\n`)
    await reject(['report', path('original.json'), '-o', path('original.html')], 'RECORD_WITHOUT_TIMES')
  })
})

describe('optimizer simulate', () => {
  it('predicts three links, in full and lazily', async () => {
    const { own, links, fleet } = await simulate(image(TARGET), '--record-in', record)
    assert.deepEqual([own, fleet], [{ seconds: 2, until: 'end' }, null])
    assert.deepEqual(
      links.map(({ title }) => title),
      ['1 Gbit/s, 1 ms', '100 Mbit/s, 20 ms', '25 Mbit/s, 60 ms'],
    )
    for (const { starts } of links) {
      assert.deepEqual(
        starts.map(({ way }) => way),
        ['full', 'lazy'],
      )
      for (const start of starts) assert.ok(start.totalSeconds > own.seconds)
    }
  })

  it('knows nothing to be fetched on demand where all that is read comes first', async () => {
    const [{ starts } = { starts: [] }] = (await simulate(image(TARGET), '--record-in', record)).links
    assert.equal(starts.find(({ way }) => way === 'lazy')?.onDemandRequests, 0)
  })

  it('takes links and a fleet', async () => {
    const fleet = ['--link', '1Gbit,1ms', '--replicas', '1000', '--registry-bandwidth', '10Gbit']
    const result = await simulate(image(SOURCE), '--record-in', record, ...fleet)
    assert.deepEqual(
      result.fleet?.links[0]?.starts.map(({ way }) => way),
      ['full', 'by-record'],
    )
    const { stdout } = await run('simulate', image(SOURCE), '--record-in', record, ...fleet)
    assert.match(stdout, /1000 machines at once, a registry that sends 10 Gbit\/s/)
  })

  it('names what does not fit', async () => {
    const reject = async (code: string, ...args: string[]) =>
      await assert.rejects(run('simulate', image(TARGET), ...args), { code })
    await reject('RECORD_NEEDED')
    await reject('OPTION_INVALID', '--record-in', record, '--link', '100Mbit')
    await reject('OPTION_INVALID', '--record-in', record, '--link', 'fast,20ms')
    await reject('OPTIONS_BELONG_TOGETHER', '--record-in', record, '--replicas', '10')
    writeFileSync(path('plain.json'), `${JSON.stringify({ path: 'bin/sh' })}\n`)
    await reject('RECORD_WITHOUT_TIMES', '--record-in', path('plain.json'), '--record-any-layer')
  })
})

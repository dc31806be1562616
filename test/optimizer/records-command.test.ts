/** `optimizer records` on files and a layout: neither root nor a daemon. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { AnalysisDocument } from '../../optimizer/plan/document.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { resolveImage } from '../../optimizer/store/resolve.ts'
import { CodedError } from '../../shared/errors.ts'
import { formatRecord, parseRecord, type RecordEntry } from '../../shared/record.ts'
import { json, run } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'

const words = (count: number) => Array.from({ length: count }, (_, index) => `word ${index * 7919}`).join(' ')
const BASE = [
  dir('bin/'),
  file('bin/sh', words(3000)),
  link('bin/ash', 'bin/sh'),
  symlink('sbin', 'bin'),
  file('bin/unused', words(500)),
  file('motd', 'old'),
]
const APP = [
  dir('app/'),
  file('app/main', words(9000)),
  file('app/data', 'd'.repeat(5000)),
  file('app/opened', words(400)),
  file('app/cold', words(700)),
  file('motd', 'new'),
]

let folder: string
let manifestDigest: string
const path = (name: string) => join(folder, name)

const ONE = ['--workers', '1']
const plan = (...options: string[]) =>
  json<AnalysisDocument>('plan', `oci:${path('source')}:all`, ...ONE, ...options)
const entry = (name: string, layerIndex: number, change: Partial<RecordEntry> = {}) =>
  recordEntry(name, {
    layerIndex,
    manifestDigest,
    kinds: ['open', 'read'],
    command: Buffer.from('sh'),
    ...change,
  })

function writeRecord(
  name: string,
  entries: RecordEntry[],
  change: Parameters<typeof sampleRecord>[1] = {},
): string {
  const image = { reference: 'all', manifestDigest, platform: 'linux/amd64' }
  writeFileSync(path(name), formatRecord(sampleRecord(entries, { image, reads: true, ...change })))
  return path(name)
}

const hotPaths = ({ layers }: AnalysisDocument) =>
  layers.map(({ files }) => files.filter(({ hot }) => hot).map((hot) => hot.path))

let record: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plan-'))
  const layout = await OciLayout.openForWriting(path('source'))
  await putPlatforms(layout, 'all', [{ platform: hostPlatform(), layers: [tarOf(BASE), tarOf(APP)] }])
  const image = await resolveImage(layout.images, layout.content, 'all', hostPlatform())
  manifestDigest = image.descriptor.digest
  await layout.close()
  record = writeRecord('record.jsonl', [
    entry('bin/ash', 0, { kinds: ['exec'], firstAccessMicroseconds: 1500 }),
    entry('app/main', 1),
    entry('app/opened', 1, { kinds: ['open'] }),
    entry('app/no-such', 1),
    entry('motd', 1),
    entry('elsewhere', 0, { manifestDigest: `sha256:${'f'.repeat(64)}` }),
  ])
})
after(() => rmSync(folder, { recursive: true, force: true }))

describe('optimizer records', () => {
  it('merges into a file that a conversion takes', async () => {
    const second = writeRecord('second', [entry('app/cold', 1), entry('app/main', 1)])
    const out = path('merged')
    const options = ['--quorum', '2', '--record-out', out]
    const { stdout, stderr } = await run('records', 'merge', record, second, ...options)
    assert.deepEqual([stdout, stderr], ['', '1 of 7 files, of 2 records\n'])
    assert.deepEqual(hotPaths(await plan('--record-in', out)), [[], ['app/main']])
    const printed = parseRecord(
      (await run('records', 'merge', record, second, '--weights', '2,1', '--quorum', '60%')).stdout,
    )
    assert.equal(printed.entries.length, 6)
    const { sources } = await json<{ sources: { weight: number }[] }>('records', 'merge', record, second)
    assert.deepEqual(
      sources.map(({ weight }) => weight),
      [1, 1],
    )
  })

  it('compares, with exit code 6 where something differs', async () => {
    const same = await run('records', 'diff', record, record)
    assert.deepEqual([same.failure, same.stdout], [null, 'in both: 6 files, in the same order\n'])
    const { failure, stdout } = await run('records', 'diff', record, path('second'))
    assert.ok(failure instanceof CodedError && failure.exitCode === 6, `${failure}`)
    assert.match(stdout, /only in .*record\.jsonl: 5 files\n {2}bin\/ash\n/)
  })

  it('carries a record over to a rebuilt image, contents compared', async () => {
    const layout = await OciLayout.openForWriting(path('source'))
    const rebuilt = APP.map((item) =>
      item.name.toString() === 'app/main' ? file('app/main', words(9001)) : item,
    )
    await putPlatforms(layout, 'rebuilt', [
      { platform: hostPlatform(), layers: [tarOf(BASE), tarOf(rebuilt)] },
    ])
    await layout.close()
    const whole = writeRecord('whole', [
      entry('bin/ash', 0),
      entry('app/main', 1),
      entry('motd', 1),
      entry('gone', 1),
    ])
    const out = path('rebased')
    const images = [`oci:${path('source')}:rebuilt`, '--from', `oci:${path('source')}:all`]
    const { counts } = await json<{ counts: object }>(
      'records',
      'rebase',
      whole,
      ...images,
      '--record-out',
      out,
    )
    assert.deepEqual(counts, {
      'same-layer': 0,
      'same-content': 2,
      'other-content': 1,
      'same-size': 0,
      'other-size': 0,
      gone: 1,
    })
    const { header, entries } = parseRecord(readFileSync(out, 'utf8'))
    assert.equal(header.rebasedFrom?.manifestDigest, manifestDigest)
    assert.equal(entries.length, 3)
    assert.notEqual(entries[0]?.manifestDigest, manifestDigest)
    await assert.rejects(
      run('records', 'rebase', whole, images[0] as string, '--from', images[0] as string),
      {
        code: 'RECORD_OF_ANOTHER_IMAGE',
      },
    )
  })

  it('exchanges records with other programs', async () => {
    const { stdout } = await run('records', 'export', record, '--format', 'soci')
    assert.deepEqual(
      JSON.parse(stdout),
      ['bin/ash', 'app/main', 'app/opened', 'app/no-such', 'motd', 'elsewhere'].map((name) => `/${name}`),
    )
    const log = 'openat(AT_FDCWD, "/sbin/ash", O_RDONLY) = 3\nopenat(AT_FDCWD, "/proc/stat", O_RDONLY) = 3\n'
    writeFileSync(path('strace'), log)
    const source = `oci:${path('source')}:all`
    const out = ['--format', 'strace', '--record-out', path('imported')]
    const { stderr } = await run('records', 'import', path('strace'), source, ...out)
    assert.match(stderr, /^1 files of the image, 1 outside it$/m)
    assert.deepEqual(hotPaths(await plan('--record-in', path('imported'))), [['bin/sh'], []])
    await assert.rejects(run('records', 'import', record, source, ...out), { code: 'IMPORT_MALFORMED' })
    await assert.rejects(run('records', 'export', record), { code: 'ARGUMENT_INVALID' })
  })

  it('says what an action has no use for, and what is missing', async () => {
    await assert.rejects(run('records', 'diff', record, record, '--quorum', '1'), {
      code: 'OPTIONS_CONTRADICT',
    })
    await assert.rejects(run('records', 'diff', record), { code: 'ARGUMENT_INVALID' })
    await assert.rejects(run('records', 'merge', record, '--quorum', '2'), { code: 'OPTION_INVALID' })
    await assert.rejects(run('records', 'merge', path('strace')), { code: 'RECORD_MALFORMED' })
  })
})

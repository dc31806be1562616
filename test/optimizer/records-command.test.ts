/** `optimizer records` on files and a layout: neither root nor a daemon. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { CodedError } from '../../shared/errors.ts'
import { parseRecord } from '../../shared/record.ts'
import { json, run } from '../helpers/in-process.ts'
import {
  APP,
  BASE,
  entry,
  hotPaths,
  manifestDigest,
  path,
  plan,
  record,
  usePlannedImage,
  words,
  writeRecord,
} from '../helpers/planned-image.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

usePlannedImage()

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
    assert.match(stdout, /only in .*record\.jsonl: 5 files\n {2}\/bin\/ash\n/)
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

/** `optimizer plan` and `explain` on a layout: neither root nor a daemon, nothing is run. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { hotZoneLimits, requireOrderToLimit } from '../../optimizer/commands/hot-zone-options.ts'
import { formatPlatform, hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import type { AnalysisDocument } from '../../optimizer/plan/document.ts'
import type { PathExplanation } from '../../optimizer/plan/explain-path.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { json, run } from '../helpers/in-process.ts'
import {
  APP,
  BASE,
  entry,
  hotPaths,
  manifestDigest,
  ONE,
  path,
  plan,
  record,
  usePlannedImage,
  writeRecord,
} from '../helpers/planned-image.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const OTHER: Platform = { os: 'linux', architecture: 's390x' }

usePlannedImage()

const explain = (tag: string, ...options: string[]) =>
  json<AnalysisDocument>('explain', `oci:${path('target')}:${tag}`, ...options)
const convert = (tag: string, ...options: string[]) =>
  json<ConversionResult>('convert', `oci:${path('source')}:all`, `oci:${path('target')}:${tag}`, ...options)
const convertSoon = (tag: string, ...options: string[]) => convert(tag, ...ONE, ...options)

describe('optimizer plan', () => {
  for (const format of [[], ['--zstdchunked'], ['--zstdchunked', '--zstdchunked-dialect', 'containers']])
    it(`tells what a conversion does, to the byte (${format.join(' ') || 'eStargz'})`, async () => {
      const planned = await plan('--record-in', record, ...format)
      const result = await convertSoon('same', '--record-in', record, ...format)
      assert.deepEqual(
        planned.layers.map(({ sums }) => [sums.hotFiles, sums.hotContentBytes, sums.hotZoneBytes]),
        result.layers.map((layer) => [layer.prioritizedFiles, layer.prioritizedBytes, layer.hotZoneBytes]),
      )
      const finished = await explain('same', '--record-in', record)
      assert.deepEqual(hotPaths(finished), hotPaths(planned))
      const places = (document: AnalysisDocument) =>
        document.layers.flatMap(({ files }) =>
          files
            .filter(({ hot }) => hot)
            .map(({ path, chunks }) => [path, chunks?.map(({ offset }) => offset)]),
        )
      assert.deepEqual(places(finished), places(planned))
    })

  it('has the record’s evidence beside the files, and what is left out with the reason', async () => {
    const { kind, layers, leftOut, warnings, sums, records } = await plan('--record-in', record)
    assert.deepEqual(hotPaths({ layers } as AnalysisDocument), [
      ['bin/sh'],
      ['app/main', 'app/opened', 'motd'],
    ])
    const [sh] = layers[0]?.files ?? []
    assert.deepEqual(sh?.links, ['bin/ash'])
    assert.deepEqual(
      [
        sh?.access?.line,
        sh?.access?.rank,
        sh?.access?.evidence,
        sh?.access?.process,
        sh?.access?.firstAccessMicroseconds,
      ],
      [2, 0, 'used', 'sh', 1500],
    )
    assert.deepEqual(
      layers[1]?.files.map(({ access }) => access?.evidence),
      ['used', 'opened', 'used'],
    )
    assert.deepEqual(
      leftOut.map(({ path, reason }) => [path, reason]),
      [
        ['app/no-such', 'absent'],
        ['elsewhere', 'other-image'],
      ],
    )
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['OPENED_NOT_READ'],
    )
    assert.deepEqual([kind, sums.readFiles, sums.hitFiles, records[0]?.files], ['planned', 4, 4, 4])
  })

  it('is a table for people, with the largest files and folders, and warns of a record that lacks something', async () => {
    const lossy = writeRecord('lossy', [entry('app/main', 1)], {
      complete: false,
      incompleteReasons: ['2 overflows'],
    })
    const { stdout } = await run('plan', `oci:${path('source')}:all`, '--record-in', lossy)
    assert.match(stdout, /^layer +format +size +files +files first .*\n0 +gzip .*\n1 +gzip .*\nall /m)
    assert.match(stdout, /largest files that come first:\n +\S+ KiB {2}\/app\/main \(layer 1\)/)
    assert.match(stdout, /folders that hold most of it:\n +\S+ KiB {2}\/app \(1 file\)/)
    assert.match(stdout, /warning: .*lossy is known to miss accesses \(2 overflows\).* \[RECORD_INCOMPLETE\]/)
  })

  it('is of several platforms, each by the records and the list that are meant for it', async () => {
    const layout = await OciLayout.openForWriting(path('source'))
    const platforms = [hostPlatform(), OTHER].map((platform) => ({
      platform,
      layers: [tarOf(BASE), tarOf([...APP, file('of', formatPlatform(platform))])],
    }))
    await putPlatforms(layout, 'both', platforms)
    const digests = (await resolveImages(layout.images, layout.content, 'both', 'all')).images.map(
      ({ descriptor }) => descriptor.digest,
    )
    await layout.close()
    const [first, second] = digests.map((manifestDigest, index) =>
      writeRecord(`of-${index}`, [entry(index === 0 ? 'app/main' : 'app/cold', 1, { manifestDigest })]),
    ) as [string, string]
    const both = (...options: string[]) =>
      json<AnalysisDocument>('plan', `oci:${path('source')}:both`, ...ONE, ...options)
    const hotOf = ({ platforms: all = [] }: AnalysisDocument) =>
      all.map(({ platform, layers }) => [platform, hotPaths({ layers } as AnalysisDocument)[1]])

    const byRecords = await both(
      '--all-platforms',
      '--record-in',
      first,
      '--record-in',
      `linux/s390x=${second}`,
    )
    assert.deepEqual(hotOf(byRecords), [
      [formatPlatform(hostPlatform()), ['app/main']],
      ['linux/s390x', ['app/cold']],
    ])
    assert.deepEqual(
      [byRecords.platform, byRecords.manifestDigest, byRecords.layers],
      [formatPlatform(hostPlatform()), digests[0], byRecords.platforms?.[0]?.layers],
    )
    const source = `oci:${path('source')}:both`
    const options = ['--platform', 'linux/s390x', '--platform', formatPlatform(hostPlatform())]
    const { stdout } = await run('plan', source, ...options, '--record-in', first, '--exclude', 'app/nothing')
    assert.match(stdout, /\n\n.*both \(linux\/s390x\)\n/)
    assert.match(stdout, /no record and no list is meant for linux\/s390x: .* \[NOT_ORDERED\]\n$/)
    writeFileSync(path('of'), 'of\n')
    assert.deepEqual(
      hotOf(await both('--all-platforms', '--prefetch-list', path('of'))).map(([, hot]) => hot),
      [['of'], ['of']],
    )
    const one = await both('--platform', 'linux/s390x', '--record-in', second)
    assert.deepEqual([one.platform, one.platforms], ['linux/s390x', undefined])
    await assert.rejects(both('--all-platforms', '--record-in', record), { code: 'RECORD_OF_ANOTHER_IMAGE' })
  })

  it('takes a list, with what it leaves out', async () => {
    writeFileSync(path('list'), '/sbin/ash\napp/*\n!app/cold\n')
    const planned = await plan('--prefetch-list', path('list'))
    assert.deepEqual(hotPaths(planned), [['bin/sh'], ['app/data', 'app/main', 'app/opened']])
    assert.deepEqual(
      planned.leftOut.map(({ path, reason }) => [path, reason]),
      [['app/cold', 'excluded']],
    )
  })

  it('wants a record or a list, of this image', async () => {
    await assert.rejects(run('plan', `oci:${path('source')}:all`), { code: 'ARGUMENT_INVALID' })
    const other = writeRecord('other', [entry('a', 0, { manifestDigest: `sha256:${'f'.repeat(64)}` })])
    await assert.rejects(plan('--record-in', other), { code: 'RECORD_OF_ANOTHER_IMAGE' })
    assert.equal((await plan('--record-in', other, '--record-any-layer')).leftOut[0]?.reason, 'absent')
  })
})

describe('--prefetch-budget and --exclude', () => {
  it('cut a plan and a conversion alike, whose bytes are the same with any number of threads', async () => {
    const whole = await plan('--record-in', record)
    const options = ['--record-in', record, '--exclude', 'app/opened']
    const budget = [...options, '--prefetch-budget', String(whole.sums.hotZoneBytes - 2000)]
    const planned = await plan(...budget)
    const result = await convertSoon('cut', ...budget)
    const again = await convert('cut2', ...budget, '--workers', '3')
    assert.equal(result.target.digest, again.target.digest)
    const [platform] = result.platforms
    assert.deepEqual(
      platform?.order.leftOut,
      planned.leftOut.filter(({ reason }) => reason === 'budget' || reason === 'excluded'),
    )
    assert.ok(planned.leftOut.some(({ path, reason }) => path === 'app/main' && reason === 'budget'))
    assert.ok(planned.leftOut.some(({ path, reason }) => path === 'app/opened' && reason === 'excluded'))
    assert.ok((platform?.plan.hotZoneBytes ?? 0) <= (platform?.order.budgetBytes ?? 0))
    assert.equal(platform?.plan.hotZoneBytes, planned.sums.hotZoneBytes)
    assert.deepEqual(
      platform?.plan.warnings.map(({ code }) => code),
      ['BUDGET_CUT'],
    )
  })

  it('are sizes, or times on a link', () => {
    const budgetOf = (text: string) => hotZoneLimits({ 'prefetch-budget': text }).budgetBytes
    assert.equal(budgetOf('1.5MiB'), 1_572_864)
    assert.equal(budgetOf('5s@100Mbit'), 62_500_000)
    for (const text of ['0', '5s', '5@3', '5s@3MB', 'x@1Mbit'])
      assert.throws(() => budgetOf(text), { code: 'OPTION_INVALID' }, text)
    assert.throws(() => hotZoneLimits({ 'no-optimize': true, exclude: '*' }), { code: 'OPTIONS_CONTRADICT' })
    const limits = hotZoneLimits({ exclude: ['/a/*', './b'] })
    assert.deepEqual(limits.excluded, ['a/*', 'b'])
    assert.throws(() => requireOrderToLimit(limits, false), { code: 'OPTIONS_CONTRADICT' })
  })

  it('are told where they leave nothing out, and counted', async () => {
    writeFileSync(path('idle'), 'app/*\n!app/gone\n!app\n!app/cold\n')
    const options = ['--prefetch-list', path('idle'), '--exclude', 'no/such/**', '--exclude', '/app/opened']
    const { stderr } = await run('plan', `oci:${path('source')}:all`, ...options, '--exclude', 'app/')
    for (const line of [
      /line 2 of the prefetch list leaves nothing out: no file of the image is app\/gone$/m,
      /line 3 of the prefetch list leaves nothing out: app is a folder, app\/\*\* is what is in it$/m,
      /--exclude leaves nothing out: no file of the image is no\/such\/\*\*$/m,
      /--exclude leaves nothing out: app\/ is a folder, app\/\*\* is what is in it$/m,
    ])
      assert.match(stderr, line)
    assert.doesNotMatch(stderr, /app\/(?:opened|cold)$/m)
    const planned = await plan(...options)
    assert.deepEqual([planned.unknownLines, planned.unknownExclusions], [2, 1])
    const { order } = (await convertSoon('idle', ...options)).platforms[0] ?? {}
    assert.deepEqual([order?.unknownLines, order?.unknownExclusions], [2, 1])
  })

  it('are named in what a conversion tells at its end', async () => {
    const source = `oci:${path('source')}:all`
    const options = ['--record-in', record, '--exclude', 'motd']
    const { stderr } = await run('convert', source, `oci:${path('target')}:told`, ...options)
    assert.match(stderr, /^excluded: 1 file, 3 B: \/motd$/m)
    assert.match(
      stderr,
      /^a client fetches .* ahead \(.* %\); most of it in \/app .*; the largest file is \/app\/main, /m,
    )
    assert.match(stderr, /^warning: 1 file of .* comes first that was opened .* \[OPENED_NOT_READ\]$/m)
  })
})

describe('Warnings', () => {
  it('are alike before and after a conversion, of files that are named by a hard link as well', async () => {
    const opened = writeRecord('opened', [
      entry('bin/ash', 0, { kinds: ['open'] }),
      entry('app/opened', 1, { kinds: ['open'] }),
    ])
    const { warnings } = await plan('--record-in', opened)
    const { platforms } = await convertSoon('warned', '--record-in', opened)
    assert.match(warnings[0]?.message ?? '', /^2 files of /)
    assert.deepEqual(platforms[0]?.plan.warnings, warnings)
  })
})

describe('optimizer explain', () => {
  it('tells where a file is, and the line that put it there', async () => {
    await convertSoon('paths', '--record-in', record, '--estargz-chunk-size', '16384')
    const target = `oci:${path('target')}:paths`
    const where = await json<PathExplanation>('explain', target, '--path', '/sbin/ash', '--record-in', record)
    assert.deepEqual(where.links, [{ path: 'sbin', target: 'bin', layerIndex: 0 }])
    assert.deepEqual(
      [
        where.found?.path,
        where.found?.type,
        where.found?.file?.path,
        where.found?.hotPosition,
        where.found?.layerIndex,
      ],
      ['bin/ash', 'hardlink', 'bin/sh', 1, 0],
    )
    const { stdout } = await run('explain', target, '--path', 'sbin/ash', '--record-in', record)
    assert.match(
      stdout,
      /\/sbin is a link to bin \(layer 0\)\n\/bin\/ash is a hard link of layer 0 .* 3 chunks\n/,
    )
    assert.match(stdout, /bytes 0 to 16384: at \d+ of the blob, \d+ bytes\n/)
    assert.match(
      stdout,
      /it comes first: file 1 of 1 in the layer's hot zone\nline 2 of .*record\.jsonl: exec by sh 0\.002 s/,
    )
  })

  it('tells what is hidden, cold, or nowhere', async () => {
    const of = (name: string) =>
      json<PathExplanation>('explain', `oci:${path('target')}:paths`, '--path', name)
    const motd = await of('motd')
    assert.deepEqual([motd.found?.layerIndex, motd.hiddenLayers], [1, [0]])
    assert.equal((await of('app/cold')).found?.hotPosition, null)
    assert.equal((await of('no/such')).found, null)
    const textOf = async (image: string) => (await run('explain', image, '--path', '/no/such')).stdout
    assert.equal(await textOf(`oci:${path('target')}:paths`), '/no/such is in no layer\n')
    assert.match(
      await textOf(`oci:${path('source')}:all`),
      /^\/no\/such is in no layer that has a table of contents\nlayers 0, 1: no table of contents, /,
    )
    assert.equal((await of('app')).found?.file, null)
  })

  it('reads tables of contents that are in another image', async () => {
    await convertSoon('apart', '--record-in', record, '--estargz-external-toc')
    const inside = await explain('paths')
    const apart = await explain('apart')
    assert.deepEqual(hotPaths(apart), hotPaths(inside))
    assert.ok(apart.layers.every(({ tocBytes, sums }) => (tocBytes ?? 0) > 0 && sums.sizeBytes > 0))
  })

  it('says that an image is not optimized', async () => {
    const { stdout } = await run('explain', `oci:${path('source')}:all`)
    assert.match(
      stdout,
      /^all +\S+ \S+(?: +-){5}\n.*no layer has a table of contents: .*optimizer optimize.* \[NOT_OPTIMIZED\]/m,
    )
    await convertSoon('plain', '--no-optimize')
    assert.deepEqual(
      (await explain('plain')).warnings.map(({ code }) => code),
      ['NOT_OPTIMIZED'],
    )
  })

  it('takes a record of the image that it was made from, and no other', async () => {
    const { sums, sourceManifestDigest } = await explain('paths', '--record-in', record)
    assert.equal(sourceManifestDigest, manifestDigest)
    assert.deepEqual([sums.readFiles, sums.hitFiles], [4, 4])
    await assert.rejects(explain('paths', '--record-in', path('other')), { code: 'RECORD_OF_ANOTHER_IMAGE' })
  })
})

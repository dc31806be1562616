/** "What comes out" of docs/migrating.md, row by row, held against what comes out. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SOURCE_ANNOTATION, VERSION_ANNOTATION } from '../optimizer/convert/documents.ts'
import type { Toc } from '../optimizer/estargz/toc.ts'
import type { Descriptor } from '../optimizer/image/descriptor.ts'
import { hostPlatform } from '../optimizer/image/platform.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { OciArchive } from '../optimizer/store/oci-archive.ts'
import { OciLayout } from '../optimizer/store/oci-layout.ts'
import { type ResolvedImages, resolveImages } from '../optimizer/store/resolve.ts'
import { formatRecord } from '../shared/record.ts'
import { putImage } from './helpers/busybox-image.ts'
import { json, run } from './helpers/in-process.ts'
import { putPlatforms } from './helpers/platform-image.ts'
import { recordEntry, sampleRecord } from './helpers/sample-record.ts'
import { file, tarOf } from './helpers/tar-language.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))
const document = readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8')

/** The first cell of each row, and all of it. */
const rows = [
  ...(document.split(/^## /m).find((part) => part.startsWith('What comes out\n')) ?? '').matchAll(
    /^\| (.+?) \| .+ \|$/gm,
  ),
]
  .map(([text, first = '']) => ({ text, first }))
  .slice(1)
  .filter(({ first }) => !/^-+$/.test(first))

describe('what comes out, by docs/migrating.md:', () => {
  let folder: string
  let source: string
  let bare: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'migrating-results-'))
    const layout = await OciLayout.openForWriting(path('source'))
    const layers = [tarOf([file('first', 'read'), file('other', 'not read')]), tarOf([file('never', 'read')])]
    await putPlatforms(layout, 'index', [{ platform: hostPlatform(), layers }])
    await putImage(layout, 'bare', [{ file: 'content' }], {})
    await layout.close()
    source = `oci:${path('source')}:index`
    bare = `oci:${path('source')}:bare`
    writeFileSync(path('list'), 'first\n')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const convert = (tag: string, ...options: string[]) =>
    json<ConversionResult>('convert', source, `oci:${path('target')}:${tag}`, ...options)

  async function read(name: string): Promise<ResolvedImages> {
    const layout = await OciLayout.openForReading(path('target'))
    return await resolveImages(layout.images, layout.content, name, 'all')
  }
  const layersOf = ({ images }: ResolvedImages): Descriptor[] => images[0]?.manifest.layers ?? []
  const named = (text: string) =>
    [...text.matchAll(/`([a-z][\w.-]*\/?[\w./-]*)`/g)].map(([, name = '']) => name)

  const checks: [row: RegExp, check: (row: string) => Promise<void>][] = [
    [
      /^the target's digest on stdout/,
      async () => {
        const { stdout } = await run('convert', source, `oci:${path('target')}:digest`, '--no-optimize')
        assert.equal(stdout, `${(await read('digest')).root.digest}\n`)
        const { schemaVersion, target } = await convert('digest')
        assert.deepEqual([schemaVersion, `${target.digest}\n`], [1, stdout])
      },
    ],
    [
      /^log lines on stderr/,
      async () => {
        const words = ['convert', source, `oci:${path('target')}:log`, '--log-format', 'json']
        const { stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8' })
        assert.match(stdout, /^sha256:\w+\n$/)
        for (const line of stderr.trimEnd().split('\n'))
          assert.equal(typeof JSON.parse(line).message, 'string')
      },
    ],
    [
      /^the target in containerd/,
      async (row) => {
        for (const form of ['docker://', 'oci:DIR', 'oci-archive:FILE'])
          assert.ok(row.includes(`\`${form}`), row)
        const { target } = await json<ConversionResult>('convert', source, `oci-archive:${path('a.tar')}:one`)
        const archive = await OciArchive.openForReading(path('a.tar'))
        assert.equal((await archive.images.find('one')).target.digest, target.digest)
        await archive.close()
      },
    ],
    [
      /^a bare manifest or an index/,
      async () => {
        await convert('index')
        assert.match((await read('index')).root.mediaType, /index/)
        await json('convert', bare, `oci:${path('target')}:bare`)
        assert.match((await read('bare')).root.mediaType, /manifest/)
      },
    ],
    [
      /^layer annotations/,
      async (row) => {
        await convert('estargz', '--prefetch-list', path('list'))
        const image = await read('estargz')
        for (const { annotations = {} } of layersOf(image))
          assert.deepEqual(Object.keys(annotations).sort(), named(row.split(' | ')[0] ?? '').sort())
        const ofManifest = image.images[0]?.manifest.annotations ?? {}
        assert.equal(ofManifest[SOURCE_ANNOTATION], (await sourceImage()).images[0]?.descriptor.digest)
        assert.match(ofManifest[VERSION_ANNOTATION] ?? '', /^\d/)
        await convert('zstd', '--zstdchunked')
        for (const { annotations = {} } of layersOf(await read('zstd')))
          assert.ok('io.containers.zstd-chunked.manifest-checksum' in annotations)
      },
    ],
    [
      /landmark/,
      async (row) => {
        await convert('landmarks', '--prefetch-list', path('list'))
        const marks: string[] = []
        for (const index of ['0', '1']) {
          const { stdout } = await run('inspect', `oci:${path('target')}:landmarks`, '--toc', index)
          const { entries } = JSON.parse(stdout) as Toc
          marks.push(...entries.map(({ name }) => name).filter((name) => /landmark/.test(name)))
        }
        assert.deepEqual(
          marks,
          [...row.matchAll(/`(\.[a-z.]+)`/g)].map(([, name]) => name),
        )
      },
    ],
    [
      /^the TOC image/,
      async () => {
        const { tocImage } = await convert('toc', '--estargz-external-toc')
        assert.equal(tocImage?.name, `oci:${path('target')}:toc-esgztoc`)
        assert.equal((await read('toc-esgztoc')).root.digest, tocImage?.digest)
      },
    ],
    [
      /^the record: lines/,
      async (row) => {
        const entry = recordEntry('bin/sh', { manifestDigest: `sha256:${'a'.repeat(64)}` })
        const [header = '', line = ''] = formatRecord(sampleRecord([entry])).split('\n')
        const fields = named(row.split(' | ')[0] ?? '')
        assert.deepEqual(fields, ['path', 'manifestDigest', 'layerIndex'])
        assert.deepEqual(
          fields.filter((field) => !(field in JSON.parse(line)) || field in JSON.parse(header)),
          [],
        )
      },
    ],
    [
      /^exit status/,
      async (row) => {
        const [, anchor = ''] = /\(cli\.md#([\w-]+)\)/.exec(row) ?? []
        const section = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')
          .split(/^## /m)
          .find((part) => part.split('\n', 1)[0]?.toLowerCase().replaceAll(' ', '-') === anchor)
        const codes = [...(section ?? '').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => code)
        assert.deepEqual(codes, ['0', '1', '2', '3', '4', '5', '6', '130'])
        assert.match(row, /\[0 to 6, and 130\]/)
      },
    ],
  ]

  async function sourceImage(): Promise<ResolvedImages> {
    const layout = await OciLayout.openForReading(path('source'))
    return await resolveImages(layout.images, layout.content, 'index', 'all')
  }

  it('has a check for every row', () => {
    assert.deepEqual(
      rows.map(({ first }) => checks.filter(([row]) => row.test(first)).length),
      rows.map(() => 1),
    )
    assert.equal(rows.length, checks.length)
  })

  for (const { first, text } of rows)
    it(first, async () => {
      const [, check] = checks.find(([row]) => row.test(first)) ?? []
      await check?.(text.replace(/^\| /, ''))
    })
})

/** `optimizer convert --estargz-external-toc` as users run it, from layout to layout. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { LAYER_DIGEST_ANNOTATION } from '../../optimizer/convert/toc-image.ts'
import { TOC_DIGEST_ANNOTATION } from '../../optimizer/estargz/estargz-format.ts'
import type { Descriptor } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import type { Inspection } from '../../optimizer/inspect.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { type ResolvedImages, resolveImages } from '../../optimizer/store/resolve.ts'
import type { ContentStore } from '../../optimizer/store/store.ts'
import { TOC_NAME } from '../../optimizer/tar/format-names.ts'
import type { Verification } from '../../optimizer/verify/result.ts'
import { damagedBeforeVerify } from '../faults/moments.ts'
import { program } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const OTHER: Platform = { os: 'linux', architecture: 's390x' }
const BASE = tarOf([dir('bin/'), file('bin/sh', 'shell '.repeat(999)), file('motd', 'old')])
const APP = tarOf([dir('app/'), file('app/main', 'main'), file('app/data', 'd'.repeat(5000))])

describe('optimizer convert --estargz-external-toc', () => {
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'external-toc-'))
    const layout = await OciLayout.openForWriting(join(folder, 'source'))
    const images = [
      { platform: hostPlatform(), layers: [BASE, APP] },
      { platform: OTHER, layers: [BASE] },
    ]
    await putPlatforms(layout, 'all', images)
    await layout.close()
    writeFileSync(join(folder, 'list'), 'bin/sh\n')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const source = () => `oci:${join(folder, 'source')}:all`
  const target = (tag: string) => `oci:${join(folder, 'target')}${tag}`

  async function convert(tag: string, ...options: string[]) {
    return await program(['convert', source(), target(tag), '--json', ...options])
  }

  async function read(name: string): Promise<ResolvedImages & { content: ContentStore }> {
    const layout = await OciLayout.openForReading(join(folder, 'target'))
    return { ...(await resolveImages(layout.images, layout.content, name, 'all')), content: layout.content }
  }

  async function inflated(content: ContentStore, digest: Digest): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of content.read(digest)) pieces.push(piece)
    return gunzipSync(Buffer.concat(pieces))
  }

  it('writes a second image with the TOC of each layer, for every platform', async () => {
    const { code, stdout, stderr } = await convert(
      ':one',
      '--all-platforms',
      '--estargz-external-toc',
      '--verify',
    )
    assert.equal(code, 0, stderr)
    const result: ConversionResult = JSON.parse(stdout)
    assert.equal(result.tocImage?.name, `oci:${join(folder, 'target')}:one-esgztoc`)
    const image = await read('one')
    const tocs = await read('one-esgztoc')
    assert.equal(tocs.images.length, 2)
    for (const [index, { manifest, platform }] of image.images.entries()) {
      const tocImage = tocs.images[index]
      assert.deepEqual(tocImage?.platform, platform)
      assert.equal(tocImage?.manifest.layers.length, manifest.layers.length)
      for (const [position, layer] of manifest.layers.entries()) {
        const names = indexTar(await inflated(image.content, layer.digest)).entries.map(({ path }) => path)
        assert.ok(!names.includes(TOC_NAME))
        const toc: Descriptor | undefined = tocImage?.manifest.layers[position]
        assert.equal(toc?.annotations?.[LAYER_DIGEST_ANNOTATION], layer.digest)
        const tar = await inflated(tocs.content, toc?.digest as Digest)
        assert.equal(tocImage?.config.rootfs.diff_ids[position], digestOf(tar))
        const size = Number.parseInt(tar.toString('latin1', 124, 135), 8)
        assert.equal(tar.toString('latin1', 0, TOC_NAME.length), TOC_NAME)
        assert.equal(layer.annotations?.[TOC_DIGEST_ANNOTATION], digestOf(tar.subarray(512, 512 + size)))
      }
    }
  })

  it('keeps every diff ID with --estargz-keep-diff-id, and takes another name for the TOCs', async () => {
    const { code, stderr } = await convert(
      ':two',
      '--estargz-external-toc',
      '--estargz-keep-diff-id',
      '--estargz-external-toc-ref=two-tocs',
    )
    assert.equal(code, 0, stderr)
    const [image] = (await read('two')).images
    assert.deepEqual(image?.config.rootfs.diff_ids, [digestOf(BASE), digestOf(APP)])
    assert.equal((await read('two-tocs')).images[0]?.manifest.layers.length, 2)
  })

  it('keeps the diff ID of a layer whose names come again, and finds it equal', async () => {
    const [large, other] = ['1', '2'].map((digit) => digit.repeat(5 * 1024 * 1024))
    const layout = await OciLayout.openForWriting(join(folder, 'source'))
    const twice = [
      dir('d/'),
      file('d/x', large),
      file('a', 'first'),
      dir('d/'),
      file('a', 'last'),
      file('d/x', other),
    ]
    const tar = tarOf([...twice, dir('gone/'), file('gone/y', 'y'), file('gone', 'a file now')])
    await putPlatforms(layout, 'twice', [{ platform: hostPlatform(), layers: [tar] }])
    await layout.close()
    const options = ['--estargz-external-toc', '--estargz-keep-diff-id', '--verify']
    const { code, stderr } = await program([
      ...['convert', source().replace(/all$/, 'twice'), target(':twice')],
      ...options,
    ])
    assert.equal(code, 0, stderr)
    assert.deepEqual((await read('twice')).images[0]?.config.rootfs.diff_ids, [digestOf(tar)])
  })

  it('is verified with the TOCs of the second image, under its usual name or another', async () => {
    const usual = await program(['verify', source(), target(':one'), '--json'])
    assert.equal(usual.code, 0, usual.stdout)
    const { tocImage, platforms }: Verification = JSON.parse(usual.stdout)
    assert.equal(tocImage?.name, target(':one-esgztoc'))
    assert.deepEqual(
      platforms.map(({ layers }) => layers.map(({ format, toc }) => [format, (toc?.chunks ?? 0) > 0])),
      [[...Array(2)].map(() => ['estargz', true]), [['estargz', true]]],
    )
    const unknown = await program(['verify', source(), target(':two')])
    assert.equal(unknown.code, 6)
    assert.match(unknown.stdout, /^TOC_LAYER_MISSING \S+ layer 0: there is no image/m)
    assert.equal(
      (await program(['verify', source(), target(':two'), '--estargz-external-toc-ref=two-tocs'])).code,
      0,
    )
    const absent = await program([
      'verify',
      source(),
      target(':one'),
      '--estargz-external-toc-ref=no-such-image',
    ])
    assert.equal(absent.code, 3, absent.stderr)
  })

  it('is shown by inspect with the TOCs of the second image, or with the word that there are none', async () => {
    const shown = await program(['inspect', target(':one'), '--json'])
    const inspection: Inspection = JSON.parse(shown.stdout)
    assert.equal(inspection.tocImage?.name, target(':one-esgztoc'))
    for (const { format, toc, externalToc } of inspection.layers) {
      assert.deepEqual([format, externalToc, toc?.offsetBytes], ['estargz', true, null])
      assert.equal(toc?.annotatedDigest, toc?.digest)
      assert.match(toc?.externalDigest ?? '', /^sha256:/)
    }
    const toc = await program(['inspect', target(':two'), '--toc=0', '--estargz-external-toc-ref=two-tocs'])
    assert.equal(digestOf(toc.stdout), digestOf(JSON.stringify(JSON.parse(toc.stdout))))
    const { code, stdout } = await program(['inspect', target(':two')])
    assert.equal(code, 0)
    assert.match(stdout, /^layer 1 has its TOC in another image, and none is found/m)
    assert.equal((await program(['inspect', target(':two'), '--toc=0'])).code, 3)
  })

  it('with --verify leaves neither image nor anything else when its result is damaged', () => {
    const everything = () => readdirSync(join(folder, 'target'), { recursive: true, encoding: 'utf8' }).sort()
    const before = [everything(), readFileSync(join(folder, 'target', 'index.json'), 'utf8')]
    const damaged = damagedBeforeVerify(join(folder, 'target'))
    const options = ['--estargz-external-toc', '--verify', '--estargz-compression-level=1']
    const words = ['convert', source(), target(':bad'), ...options]
    // What does the damage is loaded before the program's own code.
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...words], {
      encoding: 'utf8',
      env: { ...process.env, ...damaged },
    })
    assert.deepEqual([status, stdout], [6, ''], stderr)
    assert.match(stderr, /BLOB_DIGEST.*\[VERIFICATION_FAILED\]/)
    assert.deepEqual([everything(), readFileSync(join(folder, 'target', 'index.json'), 'utf8')], before)
  })

  for (const options of [
    ['--estargz-keep-diff-id'],
    ['--estargz-external-toc-ref=tocs'],
    ['--estargz-external-toc', '--zstdchunked'],
    ['--estargz-external-toc', '--reuse'],
    ['--estargz-external-toc', '--uncompress'],
    ['--estargz-external-toc', '--estargz-keep-diff-id', '--prefetch-list=LIST'],
  ]) {
    it(`refuses ${options.join(' ')} before anything is done`, async () => {
      const given = options.map((option) => option.replace('LIST', join(folder, 'list')))
      const { code, stdout, stderr } = await convert(':refused', ...given)
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
    })
  }

  it('refuses a name for the TOCs that is the target, or in another repository, before anything is done', async () => {
    const registry = 'docker://127.0.0.1:1/team/app:1'
    for (const [name, reference, message] of [
      [target(':same'), 'same', /it is <target> itself/],
      [registry, '127.0.0.1:1/team/app:1', /it is <target> itself/],
      [registry, registry, /it is <target> itself/],
      [registry, '127.0.0.1:1/team/tocs:1', /name a tag of 127\.0\.0\.1:1\/team\/app, where <target> is/],
      [registry, 'tocs', /name a tag of 127\.0\.0\.1:1\/team\/app/],
    ] as const) {
      const options = ['--estargz-external-toc', `--estargz-external-toc-ref=${reference}`]
      const { code, stderr } = await program(['convert', source(), name, ...options])
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  })

  it('refuses a target without a tag, which could not tell two images apart', async () => {
    assert.equal((await convert('', '--estargz-external-toc')).code, 2)
  })
})

/** `optimizer convert` as users run it, on layouts and archives: neither root nor a daemon. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { SOURCE_ANNOTATION, VERSION_ANNOTATION } from '../../optimizer/convert/documents.ts'
import type { Descriptor } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { OciArchive } from '../../optimizer/store/oci-archive.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { type ResolvedImages, resolveImages } from '../../optimizer/store/resolve.ts'
import type { ContentStore } from '../../optimizer/store/store.ts'
import { packageVersion } from '../../optimizer/version.ts'
import { program } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { dir, file, link, tarOf } from '../helpers/tar-language.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const OTHER: Platform = { os: 'linux', architecture: 's390x' }
const BASE = tarOf([
  dir('bin/'),
  file('bin/sh', 'shell '.repeat(999)),
  link('bin/ash', 'bin/sh'),
  file('motd', 'old'),
])
const APP = tarOf([
  dir('app/'),
  file('app/main', 'main'),
  file('app/data', 'd'.repeat(5000)),
  file('motd', 'new'),
])

let folder: string
let source: ResolvedImages
const path = (name: string) => join(folder, name)

function run(args: string[], { user, ...env }: { user?: number | undefined; PATH?: string } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: folder, CONTAINERD_ADDRESS: path('no-daemon'), ...env },
    ...(user === undefined ? {} : { uid: user, gid: user }),
  })
  return { code: status, stdout, stderr }
}

function convert(target: string, ...options: string[]): ConversionResult {
  const { code, stdout, stderr } = run(['convert', `oci:${path('source')}:all`, target, '--json', ...options])
  assert.equal(code, 0, stderr)
  // Without a terminal there are lines, and nothing that is shown in place.
  for (const shown of ['\r', '\x1b', 'converting layer', 'comparing layer'])
    assert.ok(!stderr.includes(shown), stderr)
  return JSON.parse(stdout)
}

async function readTarget(name: string): Promise<ResolvedImages & { content: ContentStore }> {
  const layout = await OciLayout.openForReading(path('target'))
  return { ...(await resolveImages(layout.images, layout.content, name, 'all')), content: layout.content }
}

async function blob(content: ContentStore, digest: Digest): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of content.read(digest)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Names in a converted layer, in order. */
async function names(content: ContentStore, layer: Descriptor | undefined): Promise<string[]> {
  const tar = gunzipSync(await blob(content, (layer as Descriptor).digest))
  const named: string[] = []
  for (let at = 0; tar[at] !== 0; ) {
    named.push(tar.toString('latin1', at, tar.indexOf(0, at)))
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return named
}

const record = (manifest: Digest, entries: [path: string, layer: number][]) =>
  entries
    .map(([name, layerIndex]) => JSON.stringify({ path: name, manifestDigest: manifest, layerIndex }))
    .join('\n')
const manifestOf = (platform: Platform) =>
  source.images.find((image) => image.platform.architecture === platform.architecture)?.descriptor
    .digest as Digest

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'convert-'))
  chmodSync(folder, 0o777)
  const layout = await OciLayout.openForWriting(path('source'))
  const images = [
    { platform: hostPlatform(), layers: [BASE, APP, BASE] },
    { platform: OTHER, layers: [BASE] },
  ]
  await putPlatforms(layout, 'all', images, { attested: true })
  source = await resolveImages(layout.images, layout.content, 'all', 'all')
  await layout.close()
})
after(() => rmSync(folder, { recursive: true, force: true }))

describe('optimizer convert', () => {
  it('orders by a record of the original’s form, by layer index: equal layers each by its own', async () => {
    const lines: [string, number][] = [
      ['bin/ash', 0],
      ['app/data', 1],
      ['motd', 2],
    ]
    writeFileSync(path('record'), record(manifestOf(hostPlatform()), lines))
    const result = convert(`oci:${path('target')}:one`, '--record-in', path('record'), '--verify')
    assert.equal(result.schemaVersion, 1)
    assert.deepEqual(result.platforms[0]?.order, {
      kind: 'given',
      recordsIn: [path('record')],
      missingPaths: 0,
      unknownLines: 0,
      unknownExclusions: 0,
      budgetBytes: null,
      leftOut: [],
    })
    const { images, content } = await readTarget('one')
    const layers = images[0]?.manifest.layers ?? []
    assert.deepEqual((await names(content, layers[0])).slice(0, 4), [
      'bin/',
      'bin/sh',
      'bin/ash',
      '.prefetch.landmark',
    ])
    assert.deepEqual((await names(content, layers[1])).slice(0, 3), [
      'app/',
      'app/data',
      '.prefetch.landmark',
    ])
    assert.deepEqual((await names(content, layers[2])).slice(0, 2), ['motd', '.prefetch.landmark'])
    assert.equal(layers.length, 3)
  })

  it('orders by a list, and says which lines name nothing', async () => {
    writeFileSync(path('list'), '# first\n/motd\napp/**\n!app/main\nno/such\n')
    const result = convert(`oci:${path('target')}:list`, '--prefetch-list', path('list'))
    assert.equal(result.platforms[0]?.order.unknownLines, 1)
    const { images, content } = await readTarget('list')
    const layers = images[0]?.manifest.layers
    // The topmost layer provides motd.
    assert.deepEqual((await names(content, layers?.[2])).slice(0, 2), ['motd', '.prefetch.landmark'])
    assert.deepEqual((await names(content, layers?.[1])).slice(0, 3), [
      'app/',
      'app/data',
      '.prefetch.landmark',
    ])
  })

  it('converts all platforms, each by the record meant for it, and leaves attestations out', async () => {
    writeFileSync(path('host'), record(manifestOf(hostPlatform()), [['app/main', 1]]))
    writeFileSync(path('other'), record(manifestOf(OTHER), [['motd', 0]]))
    const records = ['--record-in', path('host'), '--record-in', `linux/s390x=${path('other')}`]
    const result = convert(
      `oci:${path('target')}:all`,
      '--all-platforms',
      ...records,
      '--annotation',
      'a.b=c=d',
    )
    assert.deepEqual(result.attestations, { kept: 0, dropped: 1 })
    const { images, content, index } = await readTarget('all')
    assert.deepEqual(
      index?.manifests.map(({ platform }) => platform),
      [hostPlatform(), OTHER],
    )
    assert.deepEqual((await names(content, images[1]?.manifest.layers[0])).slice(0, 2), [
      'motd',
      '.prefetch.landmark',
    ])
    for (const [position, image] of images.entries())
      assert.deepEqual(image.manifest.annotations, {
        [SOURCE_ANNOTATION]: source.images[position]?.descriptor.digest,
        [VERSION_ANNOTATION]: packageVersion().version,
        'a.b': 'c=d',
      })
  })

  it('replaces an annotation, and verifies what was asked for', () => {
    const annotated = `oci:${path('target')}:all`
    const options = ['--annotation', 'a.b=new']
    const target = `oci:${path('target')}:annotated`
    const converted = run(['convert', annotated, target, ...options, '--verify'])
    assert.equal(converted.code, 0, converted.stderr)
    assert.equal(run(['verify', annotated, target, ...options]).code, 0)
  })

  it('keeps attestations byte for byte where asked, beside the new manifest', async () => {
    convert(`oci:${path('target')}:kept`, '--attestations', 'keep')
    const { attestations, images, content } = await readTarget('kept')
    assert.deepEqual([attestations[0]?.of, attestations.length], [images[0]?.descriptor.digest, 1])
    assert.equal(attestations[0]?.descriptor.digest, source.attestations[0]?.descriptor.digest)
    const manifest = JSON.parse(
      (await blob(content, attestations[0]?.descriptor.digest as Digest)).toString(),
    )
    for (const { digest } of [manifest.config, ...manifest.layers])
      assert.equal(digestOf(await blob(content, digest)), digest)
  })

  it('keeps what is as wanted already, from layout to archive, with --reuse', async () => {
    const first = convert(`oci:${path('target')}:again`, '--record-in', path('record'))
    const { code, stdout, stderr } = run([
      ...[
        'convert',
        `oci:${path('target')}:again`,
        `oci-archive:${path('again.tar')}:x`,
        '--reuse',
        '--json',
        '--verify',
      ],
    ])
    assert.equal(code, 0, stderr)
    const result: ConversionResult = JSON.parse(stdout)
    assert.deepEqual(
      result.layers.map(({ reused, target }) => [reused, target.digest]),
      first.layers.map(({ target }) => [true, target.digest]),
    )
    const archive = await OciArchive.openForReading(path('again.tar'))
    await resolveImages(archive.images, archive.content, 'x', 'all')
    await archive.close()
  })

  it('decompresses by another program where asked: the same bytes come out', async () => {
    const options = ['--record-in', path('record'), '--estargz-gzip-helper', 'gzip']
    const { target } = convert(`oci:${path('target')}:helped`, ...options)
    assert.equal(target.digest, (await readTarget('one')).root.digest)
  })

  it('looks for that program before anything else', () => {
    const options = ['--estargz-gzip-helper', 'igzip']
    const target = `oci:${path('refused')}:1`
    const { code, stderr } = run(['convert', `oci:${path('absent')}:1`, target, ...options], { PATH: folder })
    assert.equal(code, 3)
    assert.match(stderr, /install it \(Debian: isal\).*\[GZIP_HELPER_MISSING\]/)
  })

  it('writes plain tars with --uncompress: the very bytes of the source’s', async () => {
    convert(`oci:${path('target')}:plain`, '--uncompress')
    const { images, content } = await readTarget('plain')
    const layers = images[0]?.manifest.layers ?? []
    assert.deepEqual(await Promise.all(layers.map(({ digest }) => blob(content, digest))), [BASE, APP, BASE])
  })

  const user = process.getuid?.() === 0 ? 65534 : undefined
  it('says in one sentence that stdout is full, and nothing of a reader that has seen enough', () => {
    const inspect = `'${process.execPath}' '${PROGRAM}' inspect oci:${path('source')}:all`
    const shell = (script: string) => spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' })
    const full = shell(`${inspect} > /dev/full`)
    assert.equal(full.status, 3)
    assert.match(full.stderr, /^optimizer: .*stdout: ENOSPC.* \[OUTPUT_FAILED\]\n$/)
    const unread = shell(`{ ${inspect}; echo $? >&2; } | :`)
    assert.equal(unread.stderr, '0\n')
  })

  it('goes on, and ends as ever, when what it tells has no reader any more', () => {
    const converts = `'${process.execPath}' '${PROGRAM}' convert oci:${path('source')}:all oci:${path('unread')}`
    const script = `{ { ${converts} 2>&1 >&3; echo $? >&3; } | :; } 3>&1`
    const { stdout } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' })
    assert.match(stdout, /^sha256:\w{64}\n0\n$/)
  })

  it('needs neither privilege nor daemon', () => {
    const target = `oci:${path('by-nobody')}:1`
    const converted = run(['convert', `oci:${path('source')}:all`, target, '--no-optimize'], { user })
    assert.equal(converted.code, 0, converted.stderr)
    assert.match(converted.stdout, /^sha256:[0-9a-f]{64}\n$/)
    assert.equal(run(['inspect', target], { user }).code, 0)
    assert.equal(run(['verify', `oci:${path('source')}:all`, target], { user }).code, 0)
  })
})

/** In this process. */
const here = (args: string[]) => program(args, { TMPDIR: folder, CONTAINERD_ADDRESS: path('no-daemon') })

describe('optimizer convert refuses, and leaves nothing behind,', () => {
  const refused: [string, number, RegExp, () => string[]][] = [
    [
      'a record of another image',
      3,
      /RECORD_OF_ANOTHER_IMAGE/,
      () => {
        writeFileSync(path('foreign'), record(digestOf('another'), [['motd', 0]]))
        return ['--record-in', path('foreign')]
      },
    ],
    [
      'a record of one platform for another',
      3,
      /it does not fit for linux\/s390x: .*RECORD_OF_ANOTHER_IMAGE/,
      () => {
        writeFileSync(path('of-host'), record(manifestOf(hostPlatform()), [['motd', 2]]))
        return ['--all-platforms', '--record-in', `linux/s390x=${path('of-host')}`]
      },
    ],
    [
      'a record that is none',
      3,
      /broken: .*RECORD_VERSION_UNSUPPORTED/,
      () => {
        writeFileSync(path('broken'), '{"path": 7}\n')
        return ['--record-in', path('broken')]
      },
    ],
    ['a record that is not there', 3, /FILE_UNREADABLE/, () => ['--record-in', path('absent')]],
    [
      'a list that names nothing',
      3,
      /PREFETCH_LIST_EMPTY/,
      () => {
        writeFileSync(path('empty'), '# nothing\n')
        return ['--prefetch-list', path('empty')]
      },
    ],
    [
      'options that contradict',
      2,
      /OPTIONS_CONTRADICT/,
      () => ['--no-optimize', '--record-in', path('record')],
    ],
    [
      'all platforms and one',
      2,
      /OPTIONS_CONTRADICT/,
      () => ['--all-platforms', '--platform', 'linux/s390x'],
    ],
    ['a platform that the image has not', 3, /PLATFORM_NOT_IN_IMAGE/, () => ['--platform', 'linux/mips64le']],
  ]
  for (const [name, exitCode, message, options] of refused) {
    it(name, async () => {
      const { code, stderr } = await here([
        'convert',
        `oci:${path('source')}:all`,
        `oci:${path('refused')}:1`,
        ...options(),
      ])
      assert.equal(code, exitCode, stderr)
      assert.match(stderr, message)
      assert.ok(!readdirSync(folder).some((entry) => entry === 'refused' || entry.startsWith('hotlayer-')))
    })
  }

  it('but applies a record of another image by path when told so', async () => {
    writeFileSync(path('foreign'), record(digestOf('another'), [['motd', 7]]))
    const options = ['--record-in', path('foreign'), '--record-any-layer']
    const result = convert(`oci:${path('target')}:foreign`, ...options)
    assert.equal(result.platforms[0]?.order.missingPaths, 0)
    const { images, content } = await readTarget('foreign')
    for (const layer of images[0]?.manifest.layers ?? [])
      assert.equal((await names(content, layer))[0], 'motd')
  })

  it('an image that is not whole, naming each blob, its platform and how to get it', async () => {
    const layers = source.images.flatMap(({ manifest }) => manifest.layers)
    const lost = layers[1]?.digest as Digest
    const blobPath = path(`source/blobs/sha256/${lost.slice('sha256:'.length)}`)
    const bytes = readFileSync(blobPath)
    rmSync(blobPath)
    const { code, stderr } = await here(['convert', `oci:${path('source')}:all`, `oci:${path('refused')}:1`])
    writeFileSync(blobPath, bytes)
    assert.equal(code, 3)
    assert.match(stderr, new RegExp(`layer 1 \\(${lost}\\) for linux/\\w+: .*skopeo copy`))
  })

  it('a digest as a target', async () => {
    const { code } = await here([
      'convert',
      `oci:${path('source')}:all`,
      `oci:${path('refused')}@${digestOf('x')}`,
    ])
    assert.equal(code, 2)
  })
})

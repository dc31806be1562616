/** Readers that are not ours agree on what the program has written. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { ImageConfig, Index } from '../../optimizer/image/manifest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { Inspection } from '../../optimizer/inspect.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { type ResolvedImage, resolveImage } from '../../optimizer/store/resolve.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { buildGoChecker, checkBlob, skipWithoutGo } from '../helpers/go-checker.ts'
import { ODD_WORKLOAD, oddLayers } from '../helpers/odd-layers.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probeFile, putRawImage } from '../helpers/raw-image.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const ANNOTATION = {
  toc: 'containerd.io/snapshot/stargz/toc.digest',
  uncompressed: 'io.containers.estargz.uncompressed-size',
}
const TOC_NAME = 'stargz.index.json'

/** Of a real builder, and what no version of the specification knows. */
const CONFIG: Partial<ImageConfig> = {
  created: '2020-01-01T00:00:00Z',
  author: 'nobody',
  config: { Env: ['A=b'], Labels: { 'org.example': 'é' }, Healthcheck: { Test: ['NONE'] } },
  history: [{ created_by: 'by hand', empty_layer: true }, { comment: '<&>' }],
  'org.example.unknown': { kept: [1, null, 'x'] },
}

const ORDERED_READS = ['/links/name', '/upper/to-late', '/etc/conf', '/upper/early', '/early', '/links/name']
const ORDERED_WORKLOAD = ['/probe', ...ORDERED_READS.flatMap((path) => ['read', path])]

const skip =
  skipWithoutContainerd() ||
  skipWithoutFanotify() ||
  skipWithoutGo() ||
  skipWithoutCommands('ctr', 'ctr-remote', 'gzip', 'tar')

describe('a converted layer', { skip }, () => {
  let bench: OptimizerBench
  let result: ConversionResult
  before(async () => {
    bench = await OptimizerBench.open()
    await bench.withStores((stores) =>
      putRawImage(stores, 'odd', oddLayers({ containerdOnly: true }), {
        types: 'docker',
        indexed: true,
        config: CONFIG,
      }),
    )
    result = await bench.optimize('odd', 'result', [
      '--entrypoint',
      JSON.stringify(ODD_WORKLOAD),
      '--estargz-chunk-size',
      '4096',
    ])
  })
  after(() => bench?.close())

  it('is listed by gzip and GNU tar without a complaint that the source does not cause', async () => {
    const source = await resolveSource()
    for (const [index, { tar }] of (await layersOf('result')).entries()) {
      const blob = await bench.blob(source.manifest.layers[index]?.digest as Digest)
      const sourceTar = blob.readUInt16BE() === 0x1f8b ? gunzipped(blob) : blob
      assert.equal(list(tar, '-tvf').stderr, list(sourceTar, '-tvf').stderr)
    }
  })

  it('has the diff ID and the uncompressed size that gzip finds', async () => {
    const layers = await layersOf('result')
    const { manifest, config } = await bench.documents('result')
    assert.deepEqual(
      layers.map(({ tar }) => digestOf(tar)),
      config.rootfs.diff_ids,
    )
    assert.deepEqual(
      layers.map(({ tar }) => String(tar.length)),
      manifest.layers.map(({ annotations }) => annotations?.[ANNOTATION.uncompressed]),
    )
    for (const [index, { digest }] of layers.entries()) {
      const { labels } = await bench.stores.content.info(digest)
      assert.equal(labels['containerd.io/uncompressed'], config.rootfs.diff_ids[index])
    }
  })

  it('has the TOC digest that the stargz snapshotter finds, in annotation, result and inspection', async () => {
    const { manifest } = await bench.documents('result')
    const found = manifest.layers.map(({ digest }) =>
      bench.tool('ctr-remote', ['images', 'get-toc-digest', digest]).trim(),
    )
    assert.equal(new Set(found).size > 1, true)
    assert.deepEqual(
      manifest.layers.map(({ annotations }) => annotations?.[ANNOTATION.toc]),
      found,
    )
    assert.deepEqual(
      result.layers.map(({ target }) => target.tocDigest),
      found,
    )
    const inspection: Inspection = JSON.parse((await bench.run(['inspect', 'result', '--json'])).stdout)
    assert.deepEqual(
      inspection.layers.map(({ toc }) => toc?.digest),
      found,
    )
    assert.deepEqual(
      inspection.layers.map(({ toc }) => toc?.annotatedDigest),
      found,
    )
  })

  it('is opened, verified chunk by chunk and read to the end by the library of lazy snapshotters', async () => {
    const program = buildGoChecker()
    const folder = mkdtempSync(join(tmpdir(), 'blobs-'))
    const files = new Map<string, string>()
    let chunksMax = 0
    try {
      const { manifest } = await bench.documents('result')
      for (const { digest, annotations } of manifest.layers) {
        const path = join(folder, digest)
        writeFileSync(path, await bench.blob(digest))
        for (const entry of checkBlob(program, path, annotations?.[ANNOTATION.toc] as string)) {
          if (entry.type === 'reg') files.set(entry.name, entry.digest)
          chunksMax = Math.max(chunksMax, entry.chunks)
        }
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
    assert.ok(chunksMax > 1, 'files of several chunks are among them')
    const text = (content: string) => digestOf(content)
    assert.equal(files.get('probe'), digestOf(probeFile().content))
    assert.equal(files.get('hard/b'), text('one inode, three names'))
    assert.equal(files.get('dup/link-to-old'), text('what the link means'))
    assert.equal(files.get('dup/old'), text('what the name means'))
    assert.equal(files.get('twice/in-both'), text('the same layer, two times'))
  })

  it('has the entries that the original program gives it', async () => {
    await bench.withStores((stores) => putRawImage(stores, 'for-both', oddLayers({ forOriginal: true })))
    await bench.optimize('for-both', 'ours', ['--no-optimize'])
    bench.tool('ctr-remote', ['images', 'convert', '--estargz', '--oci', 'for-both', 'theirs'])
    const [ours, theirs] = [await layersOf('ours'), await layersOf('theirs')]
    assert.equal(ours.length, theirs.length)
    for (const [index, { tar }] of ours.entries())
      assert.deepEqual(contents(tar), contents((theirs[index] as Layer).tar), `layer ${index}`)
  })

  it('stands in OCI documents that keep all that the source said, and hold all they name', async () => {
    const source = await resolveSource()
    const target = await bench.documents('result')
    const diffIds = target.config.rootfs.diff_ids
    assert.equal(
      JSON.stringify(target.config),
      JSON.stringify({ ...source.config, rootfs: { type: 'layers', diff_ids: diffIds } }),
    )
    const root = (await bench.stores.images.get('result')).target
    const index: Index = JSON.parse((await bench.blob(root.digest)).toString())
    assert.deepEqual([root.mediaType, index.mediaType], [MEDIA_TYPE.ociIndex, MEDIA_TYPE.ociIndex])
    assert.deepEqual(
      index.manifests.map(({ mediaType, platform }) => [mediaType, platform?.architecture]),
      [[MEDIA_TYPE.ociManifest, source.config.architecture]],
    )
    const { manifest } = target
    assert.deepEqual(
      [manifest.mediaType, manifest.config.mediaType],
      [MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociConfig],
    )
    assert.deepEqual(
      new Set(manifest.layers.map(({ mediaType }) => mediaType)),
      new Set([MEDIA_TYPE.ociLayerGzip]),
    )

    const child = index.manifests[0]?.digest as Digest
    assert.deepEqual(await heldBy(root.digest), [child])
    const named = [manifest.config, ...manifest.layers].map(({ digest }) => digest)
    assert.deepEqual((await heldBy(child)).sort(), named.sort())
    assert.deepEqual(await heldBy(manifest.config.digest), [])
  })

  it('is still there when the source is gone and containerd has collected its garbage', async () => {
    await bench.optimize('odd', 'kept', ['--no-optimize'])
    const source = await resolveSource()
    bench.tool('ctr', ['images', 'remove', '--sync', 'odd'])
    await assert.rejects(bench.stores.content.info(source.descriptor.digest), { code: 'NOT_FOUND' })
    assert.equal((await layersOf('kept')).length, result.layers.length)
    assert.match(bench.tool('ctr', ['images', 'check', 'name==kept']), /\bcomplete \(/)
  })

  it('has first what was read in the order it was read, each after its folders and link target', async () => {
    await bench.withStores((stores) =>
      putRawImage(stores, 'ordered', [{ tar: tarOf(lowerLayer()) }, { tar: tarOf(upperLayer()) }]),
    )
    const options = ['--entrypoint', JSON.stringify(ORDERED_WORKLOAD), '--record-out', ownRecord()]
    await bench.optimize('ordered', 'in-order', options)
    const [lower, upper] = (await layersOf('in-order')).map(({ tar }) => names(tar))
    assert.deepEqual(lower, [
      'probe',
      ...['links/', 'real/', 'real/file', 'links/name'],
      ...['etc/', 'etc/conf'],
      'early',
      '.prefetch.landmark',
      ...['first-of-the-rest', 'etc/unread', 'links/other-name', 'real/last'],
      TOC_NAME,
    ])
    assert.deepEqual(upper, [
      ...['upper/', 'upper/late'],
      'upper/early',
      '.prefetch.landmark',
      ...['upper/unread', 'no-parent/unread', 'upper/to-late'],
      TOC_NAME,
    ])
    await bench.optimize('ordered', 'in-source-order', ['--no-optimize'])
    const [plainLower] = (await layersOf('in-source-order')).map(({ tar }) => names(tar))
    assert.deepEqual(plainLower, [
      '.no.prefetch.landmark',
      ...lowerLayer().map(({ name }) => name.toString()),
      TOC_NAME,
    ])
  })

  it('has the order that the original gives it by our record, once it is exported', async () => {
    const exported = join(bench.temporaryFolder, 'exported.jsonl')
    const { stdout } = await bench.run(['records', 'export', ownRecord(), '--format', 'original'])
    writeFileSync(exported, stdout)
    const options = ['--oci', '--estargz', '--estargz-record-in', exported, 'ordered', 'theirs-by-export']
    bench.tool('ctr-remote', ['images', 'convert', ...options])
    const ours = ['convert', 'ordered', 'ours-by-record', '--record-in', ownRecord(), '--record-any-layer']
    const { code, stderr } = await bench.run(ours)
    assert.equal(code, 0, stderr)
    assert.deepEqual(await orderOf('theirs-by-export'), await orderOf('ours-by-record'))
    for (const file of [exported, ownRecord()]) rmSync(file)
  })

  it('has the order that the original gives it, by the record that the original has made', async () => {
    const record = join(bench.temporaryFolder, 'theirs.record')
    const workload = ['--entrypoint', JSON.stringify(ORDERED_WORKLOAD)]
    const options = ['--oci', '--record-out', record, ...workload, 'ordered', 'theirs-in-order']
    bench.tool('ctr-remote', ['images', 'optimize', ...options])
    const anyLayer = ['--oci', '--estargz', '--estargz-record-in', record, 'ordered', 'theirs-any-layer']
    bench.tool('ctr-remote', ['images', 'convert', ...anyLayer])
    for (const [target, ...more] of [['in-order'], ['any-layer', '--record-any-layer']] as const) {
      const { code, stderr } = await bench.run([
        ...['convert', 'ordered', `ours-${target}`, '--record-in', record, ...more],
      ])
      assert.equal(code, 0, stderr)
      assert.deepEqual(await orderOf(`ours-${target}`), await orderOf(`theirs-${target}`))
    }
    rmSync(record)
  })

  function ownRecord(): string {
    return join(bench.temporaryFolder, 'ours.jsonl')
  }

  async function orderOf(image: string): Promise<string[][]> {
    return (await layersOf(image)).map(({ tar }) => names(tar))
  }

  interface Layer {
    digest: Digest
    /** As `gzip -dc` gives it. */
    tar: Buffer
  }

  function resolveSource(): Promise<ResolvedImage> {
    return resolveImage(bench.stores.images, bench.stores.content, 'odd', hostPlatform())
  }

  async function layersOf(name: string): Promise<Layer[]> {
    const { manifest } = await bench.documents(name)
    return await Promise.all(
      manifest.layers.map(async ({ digest }) => ({ digest, tar: gunzipped(await bench.blob(digest)) })),
    )
  }

  /** What containerd's garbage collector keeps because of a blob. */
  async function heldBy(digest: Digest): Promise<string[]> {
    const { labels } = await bench.stores.content.info(digest)
    return Object.entries(labels).flatMap(([key, value]) =>
      key.startsWith('containerd.io/gc.ref.') ? [value] : [],
    )
  }
})

function lowerLayer() {
  return [
    file('first-of-the-rest', 'x'),
    dir('etc/'),
    file('etc/conf', 'x'),
    file('etc/unread', 'x'),
    dir('real/'),
    file('real/file', 'x'),
    dir('links/'),
    link('links/other-name', 'real/file'),
    link('links/name', 'real/file'),
    file('early', 'x'),
    file('real/last', 'x'),
    probeFile(),
  ]
}

function upperLayer() {
  return [
    dir('upper/'),
    file('upper/early', 'x'),
    file('upper/unread', 'x'),
    file('no-parent/unread', 'x'),
    symlink('upper/to-late', 'late'),
    file('upper/late', 'x'),
  ]
}

function gunzipped(blob: Buffer): Buffer {
  return execFileSync('gzip', ['-dc'], { input: blob, maxBuffer: 256 * 1024 * 1024 })
}

function list(tar: Buffer, option: string): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    'tar',
    ['--absolute-names', '--quoting-style=escape', option, '-'],
    {
      input: tar,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  assert.equal(status, 0, stderr)
  return { stdout, stderr }
}

/** In the order of the archive. */
function names(tar: Buffer): string[] {
  return list(tar, '-tf').stdout.trimEnd().split('\n')
}

/** What GNU tar says of every entry, sorted; names without what does not matter to whoever unpacks them. */
function contents(tar: Buffer): string[] {
  const lines = list(tar, '-tvf').stdout.trimEnd().split('\n')
  return lines.filter((line) => !line.endsWith(TOC_NAME) && !/\.(no\.)?prefetch\.landmark$/.test(line)).sort()
}

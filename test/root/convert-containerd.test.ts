/** Several platforms from and into a real containerd: converted and optimized, labels, what is left behind. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Digest } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { damagedBeforeVerify } from '../faults/moments.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probeFile } from '../helpers/raw-image.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'

const OTHER = { os: 'linux', architecture: 's390x' }
const PLATFORMS = [OTHER, { os: 'linux', architecture: 'mips64le' }, hostPlatform()]
const TAR = tarOf([dir('etc/'), file('etc/motd', 'hello'), file('data', 'd'.repeat(9000))])

const optimizing = { skip: skipWithoutFanotify() }

describe('Several platforms in containerd:', { skip: skipWithoutContainerd() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'convert-'))
    const platforms = [hostPlatform(), OTHER].map((platform) => ({ platform, layers: [TAR, TAR] }))
    await bench.withStores((stores) => putPlatforms(stores, 'source', platforms, { attested: true }))
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function convert(source: string, target: string, ...options: string[]): Promise<void> {
    const { code, stderr } = await bench.run(['convert', source, target, ...options])
    assert.equal(code, 0, stderr)
  }

  it('convert converts them all, proven equal before the name appears, labels right, nothing left behind', async () => {
    await convert('source', 'target', '--all-platforms', '--attestations', 'keep', '--verify')
    assert.deepEqual(await bench.leftovers(), [])
    bench.tool('ctr', ['images', 'rm', '--sync', 'source'])
    // What the garbage collector has left is the whole tree.
    await convert(
      'target',
      `oci:${join(folder, 'layout')}:all`,
      '--all-platforms',
      '--attestations',
      'keep',
      '--reuse',
    )
    const verified = await bench.run(['verify', 'target', `oci:${join(folder, 'layout')}:all`])
    assert.equal(verified.code, 0, verified.stdout)
  })

  it('convert takes an image from a layout, and its result is one that containerd reads', async () => {
    await convert(`oci:${join(folder, 'layout')}:all`, 'back', '--all-platforms', '--uncompress')
    assert.match(bench.tool('ctr', ['images', 'check']), /^back\s.*complete/m)
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('convert --verify leaves no name, no lease and no blob when its result is damaged before it is compared', async () => {
    const collected = () => {
      bench.tool('ctr', ['images', 'tag', 'target', 'removed'])
      bench.tool('ctr', ['images', 'rm', '--sync', 'removed'])
      return bench.tool('ctr', ['content', 'ls', '-q']).split('\n').sort()
    }
    const before = collected()
    const blobs = join(bench.containerd.daemon.folder, 'root', 'io.containerd.content.v1.content', 'blobs')
    const options = ['--estargz-external-toc', '--estargz-compression-level=1', '--verify']
    const { code, stdout, stderr } = await bench.run(
      ['convert', 'target', 'damaged', ...options],
      damagedBeforeVerify(blobs),
    )
    assert.deepEqual([code, stdout], [6, ''], stderr)
    assert.match(stderr, /BLOB_DIGEST.*\[VERIFICATION_FAILED\]/)
    for (const name of ['damaged', 'damaged-esgztoc']) await assert.rejects(bench.stores.images.get(name))
    assert.deepEqual(await bench.leftovers(), [])
    assert.deepEqual(collected(), before)
  })

  it('convert leaves the name alone when the platform is not in the image', async () => {
    const { code, stderr } = await bench.run(['convert', 'target', 'never', '--platform', 'linux/mips64le'])
    assert.equal(code, 3, stderr)
    await assert.rejects(bench.stores.images.get('never'))
  })

  it(
    'optimize runs the one that this machine can run, applies a record to its own, and leaves the others in their order',
    optimizing,
    async () => {
      const { images, content } = bench.stores
      const layers = [tarOf([file('unread'), probeFile(), dir('etc/'), file('etc/motd', 'hello')])]
      const all = PLATFORMS.map((platform) => ({ platform, layers }))
      await bench.withStores((stores) => putPlatforms(stores, 'three', all))
      const source = await resolveImages(images, content, 'three', 'all')
      const other = join(bench.temporaryFolder, 'other.jsonl')
      const line = { path: 'etc/motd', manifestDigest: source.images[0]?.descriptor.digest, layerIndex: 0 }
      writeFileSync(other, JSON.stringify(line))
      const options = ['--entrypoint', '["/probe", "read", "/unread"]', '--record-in', `linux/s390x=${other}`]
      const { code, stdout, stderr } = await bench.run([
        ...['optimize', 'three', 'optimized', '--all-platforms', '--json', ...options],
      ])
      rmSync(other)
      assert.equal(code, 0, stderr)
      assert.match(stderr, /linux\/mips64le is not run here: its layers keep their order/)
      const result: ConversionResult = JSON.parse(stdout)
      assert.deepEqual(
        result.platforms.map(({ order, record }) => [order.kind, order.recordsIn, record?.complete]),
        [
          ['given', [other], undefined],
          ['source', [], undefined],
          ['recorded', [], true],
        ],
      )
      const target = await resolveImages(images, content, 'optimized', 'all')
      assert.deepEqual(
        target.images.map(({ descriptor }) => descriptor.platform),
        PLATFORMS,
      )
      const first = await Promise.all(
        target.images.map(async ({ manifest }) =>
          names(await bench.blob(manifest.layers[0]?.digest as Digest)),
        ),
      )
      assert.deepEqual(first, [
        ['etc/', 'etc/motd', '.prefetch.landmark', 'unread', 'probe'],
        ['.no.prefetch.landmark', 'unread', 'probe', 'etc/', 'etc/motd'],
        ['probe', 'unread', '.prefetch.landmark', 'etc/', 'etc/motd'],
      ])
      assert.deepEqual(await bench.leftovers(), [])
    },
  )
})

/** Names in a layer, in order, without the TOC. */
function names(blob: Buffer): string[] {
  const listed = execFileSync('tar', ['-t'], { input: gunzipSync(blob), encoding: 'utf8' })
  return listed.split('\n').filter((name) => name !== '' && name !== 'stargz.index.json')
}

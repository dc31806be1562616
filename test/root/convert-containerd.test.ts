/** `optimizer convert` from and into a real containerd: several platforms, labels, what is left behind. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'

const OTHER = { os: 'linux', architecture: 's390x' }
const TAR = tarOf([dir('etc/'), file('etc/motd', 'hello'), file('data', 'd'.repeat(9000))])

describe('optimizer convert in containerd', { skip: skipWithoutContainerd() }, () => {
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

  it('converts all platforms, proven equal before the name appears, labels right, nothing left behind', async () => {
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

  it('takes an image from a layout, and its result is one that containerd reads', async () => {
    await convert(`oci:${join(folder, 'layout')}:all`, 'back', '--all-platforms', '--uncompress')
    assert.match(bench.tool('ctr', ['images', 'check']), /^back\s.*complete/m)
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('leaves the name alone when the platform is not in the image', async () => {
    const { code, stderr } = await bench.run(['convert', 'target', 'never', '--platform', 'linux/mips64le'])
    assert.equal(code, 3, stderr)
    await assert.rejects(bench.stores.images.get('never'))
  })
})

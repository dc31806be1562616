/** Images of several platforms: in which order they are converted, and in which they are told. */
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { Console } from '../../optimizer/console.ts'
import { convertImages, type OutputOptions, spoolRequest } from '../../optimizer/conversion.ts'
import { parseIndex } from '../../optimizer/image/manifest.ts'
import { withEarlyLayers } from '../../optimizer/open-layers.ts'
import { Stages } from '../../optimizer/stages.ts'
import { type ResolvedImage, resolveImages } from '../../optimizer/store/resolve.ts'
import { SpoolSpace } from '../../optimizer/tar/spool-space.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { MemoryContentStore, MemoryImageStore } from '../helpers/memory-store.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const ARCHITECTURES = ['amd64', 'arm64', 'riscv64']
const TARS = ARCHITECTURES.map((architecture) => tarOf([file(architecture, architecture.repeat(10_000))]))
const LARGEST_BYTES = Math.max(...TARS.map((tar) => tar.length))
const AS_IT_IS = { wanted: null, excluded: [], origin: null }
const architecturesOf = (images: readonly { platform?: { architecture: string } | undefined }[]) =>
  images.map(({ platform }) => platform?.architecture)

describe('an image of several platforms', () => {
  it('is converted from where layers are there already, on a disk for one platform, and told in its own order', async () => {
    const stores = { content: new MemoryContentStore(), images: new MemoryImageStore() }
    const layers = (index: number) => [TARS[index] as Buffer]
    const platforms = ARCHITECTURES.map((architecture, index) => ({
      platform: { os: 'linux', architecture },
      layers: layers(index),
    }))
    await putPlatforms(stores, 'source', platforms)
    const resolved = await resolveImages(stores.images, stores.content, 'source', 'all')
    const space = new SpoolSpace({ folder: tmpdir(), diskBytesMax: LARGEST_BYTES, memoryBytesMax: 0 })
    const output: OutputOptions = {
      attestations: 'drop',
      annotations: {},
      reuse: false,
      verify: false,
      limits: { excluded: [], budgetBytes: null },
      tocReference: null,
      gzipHelper: null,
      space,
      conversion: { format: { kind: 'uncompressed' }, workers: 1 },
    }
    const from = { ...stores, name: 'source', label: 'source' }
    const to = { ...stores, name: 'target', label: 'target' }
    const { signal } = new AbortController()
    const context = { console: new Console('quiet'), signal, stages: new Stages(SILENT_LOG) }
    const ran = resolved.images[1] as ResolvedImage
    const order: ResolvedImage[] = []
    const orderOf = (image: ResolvedImage) => {
      order.push(image)
      return AS_IT_IS
    }
    const converted = await withEarlyLayers(
      spoolRequest(from, ran, output, context),
      false,
      async (early) => {
        assert.ok(early)
        early.expect([0])
        await early.use(0, async ({ whole }) => void (await whole))
        const orderBefore = (image: ResolvedImage) => (image === ran ? null : orderOf(image))
        return await convertImages({ from, to, resolved, output, early, orderOf, orderBefore }, context)
      },
    )
    assert.deepEqual(architecturesOf(order), ['arm64', 'amd64', 'riscv64'])
    assert.deepEqual(architecturesOf(converted.platforms.map(({ source }) => source)), ARCHITECTURES)
    const index = parseIndex(stores.content.bytesOf(converted.target.digest), 'index')
    assert.deepEqual(architecturesOf(index.manifests), ARCHITECTURES)
  })
})

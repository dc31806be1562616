import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { UNCOMPRESSED_SIZE_ANNOTATION } from '../../optimizer/estargz/estargz-format.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { fitTogether, requireSpoolSpace, uncompressedBytesMin } from '../../optimizer/spool-need.ts'
import type { ContentStore } from '../../optimizer/store/store.ts'
import { SpoolSpace } from '../../optimizer/tar/spool-space.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'

const TAR = Buffer.alloc(100_000, 'tar')

describe('What a layer needs uncompressed, before it is read', () => {
  const content = new MemoryContentStore()
  async function layerOf(blob: Buffer, annotations?: Record<string, string>) {
    const digest = digestOf(blob)
    const writer = await content.writer(digest)
    await writer.write(blob)
    await writer.commit({ digest, sizeBytes: blob.length })
    return { mediaType: 'x', digest, size: blob.length, ...(annotations ? { annotations } : {}) }
  }

  it('is what gzip says at its end, the size of a tar, or what a conversion has noted', async () => {
    assert.equal(await uncompressedBytesMin(content, await layerOf(gzipSync(TAR))), TAR.length)
    assert.equal(await uncompressedBytesMin(content, await layerOf(TAR)), TAR.length)
    const noted = { [UNCOMPRESSED_SIZE_ANNOTATION]: '200000' }
    assert.equal(await uncompressedBytesMin(content, await layerOf(gzipSync(TAR), noted)), 200_000)
    assert.equal(await uncompressedBytesMin(content, await layerOf(Buffer.from('tiny'))), 4)
  })

  it('must have room on the disk, in what is allowed, and in a folder that is there', async () => {
    const images = [{ manifest: { layers: [await layerOf(gzipSync(TAR))] } }]
    const folder = '/'
    await requireSpoolSpace(content, images, new SpoolSpace({ folder, diskBytesMax: TAR.length }))
    await assert.rejects(
      requireSpoolSpace(content, images, new SpoolSpace({ folder, diskBytesMax: TAR.length - 1 })),
      { code: 'SPOOL_LIMIT', exitCode: 3, message: /100000 bytes uncompressed.*allows 99999/ },
    )
    // Of a layer that comes from a mirror the compressed bytes lie there, too.
    const [layer] = images[0]?.manifest.layers ?? []
    const both = TAR.length + (layer?.size ?? 0)
    const mirrored: ContentStore = Object.assign(new MemoryContentStore(), content, { holdsWhileRead: true })
    for (const [diskBytesMax, isEnough] of [
      [both, true],
      [both - 1, false],
    ] as const) {
      const space = new SpoolSpace({ folder, diskBytesMax })
      const asking = requireSpoolSpace(mirrored, images, space)
      if (isEnough) await asking
      else await assert.rejects(asking, { code: 'SPOOL_LIMIT', message: /comes from a mirror/ })
      assert.equal(await fitTogether(mirrored, images[0]?.manifest.layers ?? [], space), isEnough)
    }
    await assert.rejects(requireSpoolSpace(content, images, new SpoolSpace({ folder: '/no/such' })), {
      code: 'SPOOL_FAILED',
      exitCode: 3,
    })
    const huge = [{ manifest: { layers: [await layerOf(TAR, { [UNCOMPRESSED_SIZE_ANNOTATION]: '1e15' })] } }]
    await assert.rejects(requireSpoolSpace(content, huge, new SpoolSpace({ folder })), {
      code: 'SPOOL_FAILED',
      message: /no space left/,
    })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { convertImage } from '../../optimizer/convert/image.ts'
import type { ConvertedLayer } from '../../optimizer/convert/layer.ts'
import { TOC_DIGEST_ANNOTATION } from '../../optimizer/estargz/estargz-format.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { dir, file, link, tarOf } from '../helpers/tar-language.ts'
import { openTar } from '../helpers/tar-layer.ts'

const TAR = tarOf([
  dir('bin/'),
  file('bin/sh', 'shell '.repeat(2000)),
  link('bin/ash', 'bin/sh'),
  file('etc', 'x'),
  file('empty'),
  file('last', 'l'.repeat(4096)),
])
const FORMAT = { kind: 'estargz', compressionLevel: 6, chunkBytes: 4096 } as const
const content = new MemoryContentStore()

/** One layer converted from a blob whose uncompressed bytes are `tar`. */
async function convert(
  tar: Buffer,
  descriptor: Descriptor,
  wanted: string[] | null,
  { chunkBytes = 4096, to = content } = {},
): Promise<ConvertedLayer> {
  const opened: OpenedLayer = { ...(await openTar(tar)), descriptor }
  const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] }
  try {
    const { layers } = await convertImage({
      from: content,
      content: to,
      source: {
        descriptor,
        manifest: { schemaVersion: 2, config: descriptor, layers: [descriptor] },
        config: { os: 'linux', architecture: 'amd64', rootfs },
      },
      layers: [opened],
      prioritized: wanted === null ? null : [wanted],
      options: { format: { ...FORMAT, chunkBytes }, workers: 1 },
      reuse: true,
    })
    return layers[0] as ConvertedLayer
  } finally {
    await opened.close()
  }
}

const plain = (): Descriptor => ({
  mediaType: MEDIA_TYPE.ociLayer,
  digest: content.add(TAR),
  size: TAR.length,
})

/** An optimized layer as a source: its descriptor and its uncompressed bytes. */
async function optimized(wanted: string[] | null): Promise<{ tar: Buffer; descriptor: Descriptor }> {
  const { target } = await convert(TAR, plain(), wanted)
  return { tar: gunzipSync(content.bytesOf(target.digest)), descriptor: target }
}

describe('A layer that is as wanted already', () => {
  it('is kept byte for byte when the same files are to come first', async () => {
    const { tar, descriptor } = await optimized(['bin/ash', 'last'])
    const kept = await convert(tar, descriptor, ['bin/ash', 'last'])
    assert.equal(kept.reused, true)
    assert.deepEqual(kept.target, descriptor)
    assert.equal(kept.diffId, digestOf(tar))
    assert.equal(kept.prioritizedFiles, 2)
    assert.ok(kept.hotZoneBytes > 0)
  })

  it('is kept when nothing is to come first and nothing does', async () => {
    const { tar, descriptor } = await optimized([])
    assert.equal((await convert(tar, descriptor, [])).reused, true)
  })

  it('is kept in whatever order where no order is asked for', async () => {
    const { tar, descriptor } = await optimized(['last'])
    const kept = await convert(tar, descriptor, null)
    assert.deepEqual([kept.reused, kept.prioritizedFiles], [true, 1])
  })

  it('gets the annotations anew that a registry has lost, and the media type of OCI', async () => {
    const { tar, descriptor } = await optimized(['last'])
    const { digest, size } = descriptor
    const kept = await convert(tar, { mediaType: MEDIA_TYPE.dockerLayerGzip, digest, size }, ['last'])
    assert.deepEqual(kept.target, descriptor)
  })

  it('is copied where the target is another store', async () => {
    const { tar, descriptor } = await optimized(['last'])
    const to = new MemoryContentStore()
    assert.equal((await convert(tar, descriptor, null, { to })).reused, true)
    assert.deepEqual(to.bytesOf(descriptor.digest), content.bytesOf(descriptor.digest))
    const { labels } = await to.info(descriptor.digest)
    assert.equal(labels['containerd.io/uncompressed'], digestOf(tar))
  })
})

describe('A layer is converted after all', () => {
  it('when it has no TOC', async () => {
    assert.equal((await convert(TAR, plain(), null)).reused, false)
  })

  it('when other files are to come first, or the same in another order, or none', async () => {
    const { tar, descriptor } = await optimized(['bin/sh', 'last'])
    for (const wanted of [['bin/sh'], ['last', 'bin/sh'], ['bin/sh', 'last', 'etc'], []]) {
      const converted = await convert(tar, descriptor, wanted)
      assert.equal(converted.reused, false, JSON.stringify(wanted))
      assert.notEqual(converted.target.digest, descriptor.digest)
    }
  })

  it('when its files are cut into other chunks', async () => {
    const { tar, descriptor } = await optimized(['last'])
    assert.equal((await convert(tar, descriptor, ['last'], { chunkBytes: 8192 })).reused, false)
  })

  it('when its manifest promises another TOC', async () => {
    const { tar, descriptor } = await optimized(['last'])
    const annotations = { ...descriptor.annotations, [TOC_DIGEST_ANNOTATION]: digestOf('another') }
    assert.equal((await convert(tar, { ...descriptor, annotations }, ['last'])).reused, false)
  })

  it('when its TOC tells other content than the tar has', async () => {
    const { tar, descriptor } = await optimized(['last'])
    const other = Buffer.from(tar)
    other.fill('m', other.indexOf('llll'), other.indexOf('llll') + 4)
    assert.equal((await convert(other, descriptor, ['last'])).reused, false)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { decompressFrames } from '../../native/zstd.ts'
import { convertImage } from '../../optimizer/convert/image.ts'
import type { ConvertedLayer } from '../../optimizer/convert/layer.ts'
import { blobFormat, type LayerFormat } from '../../optimizer/convert/options.ts'
import { reuseLayer } from '../../optimizer/convert/reuse.ts'
import type { BlobFormat } from '../../optimizer/estargz/blob-format.ts'
import { TOC_DIGEST_ANNOTATION } from '../../optimizer/estargz/estargz-format.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { dir, entryBytes, fifo, file, link, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { openTar } from '../helpers/tar-layer.ts'

const ETC = file('etc', 'x')
const TAR = tarOf([
  dir('bin/'),
  file('bin/sh', 'shell '.repeat(2000)),
  link('bin/ash', 'bin/sh'),
  ETC,
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
  { format = FORMAT as LayerFormat, to = content } = {},
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
      options: { format, workers: 1 },
      reuse: true,
    })
    return layers[0] as ConvertedLayer
  } finally {
    await opened.close()
  }
}

const plain = (tar = TAR): Descriptor => ({
  mediaType: MEDIA_TYPE.ociLayer,
  digest: content.add(tar),
  size: tar.length,
})

/** Whether it would not be converted. */
async function isKept(
  tar: Buffer,
  descriptor: Descriptor,
  wanted: string[],
  format: LayerFormat,
): Promise<boolean> {
  const layer: OpenedLayer = { ...(await openTar(tar)), descriptor }
  try {
    const request = {
      from: content,
      content,
      layer,
      index: 0,
      wanted,
      format: blobFormat(format) as BlobFormat,
    }
    return (await reuseLayer(request)) !== undefined
  } finally {
    await layer.close()
  }
}

/** An optimized layer as a source: its descriptor and its uncompressed bytes. */
async function optimized(
  wanted: string[] | null,
  { format = FORMAT as LayerFormat, source = TAR } = {},
): Promise<{ tar: Buffer; descriptor: Descriptor }> {
  const { target } = await convert(source, plain(source), wanted, { format })
  const blob = content.bytesOf(target.digest)
  const tar = format.kind === 'estargz' ? gunzipSync(blob) : decompressFrames(blob, 2 ** 24)
  return { tar, descriptor: target }
}

/** The tar with another entry in the place of one. */
function replaced(tar: Buffer, entry: TarItem, other: TarItem): Buffer {
  const bytes = entryBytes(entry)
  const at = tar.indexOf(bytes)
  return Buffer.concat([tar.subarray(0, at), entryBytes(other), tar.subarray(at + bytes.length)])
}

const ZSTD = { kind: 'zstdchunked', compressionLevel: 3, chunkBytes: 4096 } as const
const FORMATS: [string, LayerFormat][] = [
  ['eStargz', FORMAT],
  ['eStargz whose files share members', { ...FORMAT, minChunkBytes: 6000 }],
  ['zstd:chunked', { ...ZSTD, dialect: 'stargz' }],
  ['zstd:chunked for containers/storage', { ...ZSTD, dialect: 'containers' }],
]

describe('A layer that is as wanted already', () => {
  for (const [name, format] of FORMATS) {
    it(`of ${name} is kept byte for byte, and gets its annotations anew`, async () => {
      const { tar, descriptor } = await optimized(['bin/ash', 'last'], { format })
      const { digest, size } = descriptor
      const lost = { mediaType: MEDIA_TYPE.dockerLayerGzip, digest, size }
      for (const source of [descriptor, lost]) {
        for (const wanted of [['bin/ash', 'last'], null]) {
          const kept = await convert(tar, source, wanted, { format })
          assert.equal(kept.reused, true)
          assert.deepEqual(kept.target, descriptor)
        }
      }
    })
  }

  it('of the containers dialect is kept without annotations where a conversion would give it none', async () => {
    const format: LayerFormat = { ...ZSTD, dialect: 'containers' }
    const { tar, descriptor } = await optimized([], { format, source: tarOf([file('a', 'x'), fifo('pipe')]) })
    assert.deepEqual(descriptor.annotations, {})
    const kept = await convert(tar, descriptor, [], { format })
    assert.deepEqual([kept.reused, kept.target], [true, descriptor])
  })

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
    assert.equal(
      (await convert(tar, descriptor, ['last'], { format: { ...FORMAT, chunkBytes: 8192 } })).reused,
      false,
    )
  })

  it('when files that shall share members do not, or others do', async () => {
    const formats = [0, 3000, 6000].map((minChunkBytes): LayerFormat => ({ ...FORMAT, minChunkBytes }))
    for (const format of formats) {
      const { tar, descriptor } = await optimized(['last'], { format })
      const kept: boolean[] = []
      for (const other of formats) kept.push(await isKept(tar, descriptor, ['last'], other))
      assert.deepEqual(
        kept,
        formats.map((other) => other === format),
      )
    }
  })

  it('when it is of another format or dialect', async () => {
    for (const [, format] of FORMATS) {
      const { tar, descriptor } = await optimized(['last'], { format })
      for (const [, other] of FORMATS.filter(([, each]) => each !== format))
        assert.equal(await isKept(tar, descriptor, ['last'], other), false)
    }
  })

  for (const [name, format] of FORMATS.filter((_, index) => index % 3 === 0)) {
    it(`when the TOC of ${name} tells other entries than the tar has`, async () => {
      const { tar, descriptor } = await optimized(['last'], { format })
      for (const changed of [
        file('etc', 'x', { mode: 0o4755 }),
        file('etc', 'x', { mtime: 5 }),
        file('etc', 'x', { uid: 1 }),
        link('etc', 'bin/sh'),
        file('etc', 'y'),
        file('etcetera', 'x'),
        file('etc', 'x', { format: 'pax', xattrs: { 'user.a': 'b' } }),
      ])
        assert.equal(await isKept(replaced(tar, ETC, changed), descriptor, ['last'], format), false)
    })
  }

  it('when tar-split data make another tar, of which the TOC tells nothing', async () => {
    const format: LayerFormat = { ...ZSTD, dialect: 'containers' }
    const { tar, descriptor } = await optimized(['last'], { format })
    const other = replaced(tar, ETC, { ...ETC, userName: 'root' })
    assert.equal(await isKept(other, descriptor, ['last'], format), false)
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

/** What a conversion of ours makes of every kind of layer is equal to its source; and what else verification answers. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { writeIndex } from '../../optimizer/convert/documents.ts'
import { convertImage } from '../../optimizer/convert/image.ts'
import type { LayerFormat } from '../../optimizer/convert/options.ts'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import { type ResolvedImage, resolveImage } from '../../optimizer/store/resolve.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { formatVerification, verificationError } from '../../optimizer/verify/report.ts'
import type { Verification } from '../../optimizer/verify/result.ts'
import { type VerifyRequest, verifyImages } from '../../optimizer/verify/verify-images.ts'
import { convertedParts, copyOf, type ImageParts, sourceParts, store } from '../helpers/converted-image.ts'
import { MemoryContentStore, MemoryImageStore } from '../helpers/memory-store.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { openTar } from '../helpers/tar-layer.ts'
import { LAYERS, PRIORITIZED } from './sample-layers.ts'

function verify(
  content: MemoryContentStore,
  source: Descriptor,
  target: Descriptor,
  changes: Partial<VerifyRequest> = {},
): Promise<Verification> {
  return verifyImages({
    source: { name: 'source', root: source, content },
    target: { name: 'target', root: target, content },
    platforms: null,
    allPlatforms: false,
    gcLabels: true,
    differencesMax: 20,
    ...changes,
  })
}

const SMALL_CHUNKS = { kind: 'estargz', compressionLevel: 1, chunkBytes: 4096 } as const
const ZSTD_CHUNKED = { ...SMALL_CHUNKS, kind: 'zstdchunked', dialect: 'stargz' } as const

/** Converts as `optimize` does; every third entry of each layer comes first, last first. */
async function convert(
  content: MemoryContentStore,
  image: ResolvedImage,
  format: LayerFormat,
): Promise<Descriptor> {
  const layers: OpenedLayer[] = []
  try {
    for (const descriptor of image.manifest.layers) {
      const blob = content.bytesOf(descriptor.digest)
      const tar = blob.readUInt16BE() === 0x1f8b ? gunzipSync(blob) : blob
      layers.push({ ...(await openTar(tar, { blob })), descriptor })
    }
    const prioritized = layers.map(({ entries }) =>
      format.kind === 'uncompressed'
        ? []
        : entries.flatMap(({ path }, n) => (n % 3 === 1 ? [path] : [])).reverse(),
    )
    const options = { format, workers: 1 }
    const request = { from: content, content, source: image, layers, prioritized, options }
    const { manifest } = await convertImage(request)
    return image.index === null ? manifest : await writeIndex(content, image.index, [manifest])
  } finally {
    for (const layer of layers) await layer.close()
  }
}

describe('Verifying a conversion of ours', () => {
  const content = new MemoryContentStore()
  const images = new MemoryImageStore()
  let image: ResolvedImage
  before(async () => {
    await putRawImage({ content, images }, 'odd', oddLayers({ containerdOnly: true }), {
      types: 'docker',
      indexed: true,
    })
    image = await resolveImage(images, content, 'odd', hostPlatform())
  })

  const formats: [string, LayerFormat][] = [
    ['eStargz', SMALL_CHUNKS],
    ['eStargz with members shared', { ...SMALL_CHUNKS, chunkBytes: 65536, minChunkBytes: 8192 }],
    ['zstd:chunked', ZSTD_CHUNKED],
    ['zstd:chunked for containers/storage', { ...ZSTD_CHUNKED, dialect: 'containers' }],
    ['plain tar', { kind: 'uncompressed' }],
  ]
  for (const [name, format] of formats) {
    it(`finds the oddest layers equal: ${name}`, async () => {
      const verification = await verify(content, image.root, await convert(content, image, format))
      assert.deepEqual(verification.differences, [])
      const layers = verification.platforms[0]?.layers ?? []
      assert.equal(layers.length, image.manifest.layers.length)
      const sum = (count: (layer: (typeof layers)[0]) => number) =>
        layers.reduce((total, layer) => total + count(layer), 0)
      // As they are in test/helpers/odd-layers.ts.
      assert.equal(
        sum(({ exceptions }) => exceptions.sparseFiles),
        1,
      )
      assert.equal(
        sum(({ exceptions }) => exceptions.globalHeaders),
        3,
      )
      assert.ok(sum(({ exceptions }) => exceptions.repeatedNames) >= 5)
      assert.deepEqual(verification.platformsLeftOut, ['linux/s390x'])
    })
  }

  it('finds times equal that no TOC can write', async () => {
    const far = ['-90000000000000', '-1.5', '0.25', '900000000000.5']
    const items = far.map((mtime) => file(`at${mtime}`, 'x', { format: 'pax', records: [['mtime', mtime]] }))
    await putRawImage({ content, images }, 'far', [{ tar: tarOf(items) }])
    const source = await resolveImage(images, content, 'far', hostPlatform())
    for (const [, format] of formats) {
      const verification = await verify(content, source.root, await convert(content, source, format))
      assert.deepEqual(verification.differences, [])
    }
  })

  it('wants the other platforms too when it is told so', async () => {
    const target = await convert(content, image, SMALL_CHUNKS)
    const verification = await verify(content, image.root, target, { allPlatforms: true })
    assert.deepEqual(verification.counts, { PLATFORM_MISSING: 1 })
    assert.match(formatVerification(verification), /^PLATFORM_MISSING: linux\/s390x is not in the target\n/)
  })
})

describe('Verification', () => {
  let pool: CompressionPool
  let sound: ImageParts
  before(async () => {
    pool = new CompressionPool({ workers: 1 })
    sound = await convertedParts(LAYERS, PRIORITIZED, pool)
  })
  after(() => pool.close())

  it('finds an image equal to itself, and says so in one line', async () => {
    const content = new MemoryContentStore()
    const root = store(content, sound)
    const verification = await verify(content, root, root)
    assert.match(
      formatVerification(verification),
      /^target is equal to source: linux\/amd64 2 layers, \d+ files of \d+ bytes, \d+ chunks\n$/,
    )
  })

  it('counts all differences, lists as many as it may, and names the first in its error', async () => {
    const content = new MemoryContentStore()
    const many = Array.from({ length: 500 }, (_, n) => file(`many/${String(n).padStart(3, '0')}`))
    const source = store(content, sourceParts([many, LAYERS[1] ?? []]))
    const target = store(content, await convertedParts([[], LAYERS[1] ?? []], PRIORITIZED, pool))
    const verification = await verify(content, source, target, { differencesMax: 3 })
    assert.equal(verification.counts.ENTRY_MISSING, 500)
    assert.deepEqual(
      verification.differences.map(({ code, layer, path }) => [code, layer, path]),
      ['000', '001', '002'].map((name) => ['ENTRY_MISSING', 0, `many/${name}`]),
    )
    assert.match(formatVerification(verification), /\nand \d+ more: --max-differences lists them\n$/)
    const error = verificationError(verification)
    assert.deepEqual([error.code, error.exitCode], ['VERIFICATION_FAILED', 6])
    assert.match(
      error.message,
      /the first is ENTRY_MISSING linux\/amd64 layer 0 \/many\/000: a reg in the source/,
    )
  })

  it('keeps a difference on one line, whatever the path', async () => {
    const content = new MemoryContentStore()
    const odd = [file('a\nb\x1b[2J'), file(Buffer.from('caf\xe9', 'latin1'))]
    const source = store(content, sourceParts([odd]))
    const target = store(content, await convertedParts([[]], [], pool))
    const lines = formatVerification(await verify(content, source, target))
      .trimEnd()
      .split('\n')
    assert.ok(
      lines.every((line) => /^(ENTRY|FILE)_MISSING /.test(line)),
      lines.join('\n'),
    )
    assert.ok(lines.some((line) => line.includes('/a\\x0ab\\x1b[2J: ')))
    assert.ok(lines.some((line) => line.includes('/caf\\xe9: ')))
  })

  it('asks nothing of what a store notes beside the name of a manifest', async () => {
    const content = new MemoryContentStore()
    const manifestOf = (parts: ImageParts): Descriptor => {
      const index = JSON.parse(content.bytesOf(store(content, parts).digest).toString())
      const { mediaType, digest, size } = index.manifests[0]
      return { mediaType, digest, size }
    }
    const source = { ...manifestOf(sourceParts(LAYERS)), annotations: { 'io.containerd.image.name': 'x' } }
    assert.deepEqual((await verify(content, source, manifestOf(sound))).differences, [])
  })

  it('wants annotations as they were to be set, whatever the source has there', async () => {
    const content = new MemoryContentStore()
    const source = store(content, sourceParts(LAYERS))
    const changed = copyOf(sound)
    changed.manifest.annotations = { ...changed.manifest.annotations, 'org.example.manifest': 'new' }
    const target = store(content, changed)
    const found = async (annotations: Record<string, string>) =>
      (await verify(content, source, target, { annotations })).differences.map(({ message }) => message)
    assert.deepEqual(await found({ 'org.example.manifest': 'new' }), [])
    assert.deepEqual(await found({}), ['annotation org.example.manifest: source "kept", target "new"'])
    assert.deepEqual(await found({ 'org.example.manifest': 'new', other: 'x' }), [
      'annotation other: asked for "x", target nothing',
    ])
  })

  it('compares each platform with its own, and only those that are chosen', async () => {
    const content = new MemoryContentStore()
    const other: Platform = { os: 'linux', architecture: 'arm64' }
    const join = (parts: ImageParts, second: ImageParts): Descriptor => {
      const [first, last] = [parts, second].map((image) => {
        const index = JSON.parse(content.bytesOf(store(content, image).digest).toString())
        return index
      })
      const bytes = Buffer.from(
        JSON.stringify({ ...first, manifests: [...first.manifests, ...last.manifests] }),
      )
      const labels = Object.fromEntries(
        [...first.manifests, ...last.manifests].map(({ digest }: { digest: Digest }, n: number) => [
          `containerd.io/gc.ref.content.m.${n}`,
          digest,
        ]),
      )
      return { mediaType: MEDIA_TYPE.ociIndex, digest: content.add(bytes, labels), size: bytes.length }
    }
    const on = (platform: Platform, parts: ImageParts): ImageParts => {
      const copy = copyOf(parts)
      return { ...copy, config: { ...copy.config, ...platform }, child: { ...copy.child, platform } }
    }
    const source = join(sourceParts(LAYERS), on(other, sourceParts([[file('arm')], []])))
    const wrong = await convertedParts([[file('leg')], []], [], pool)
    const target = join(sound, on(other, wrong))
    const whole = await verify(content, source, target)
    assert.deepEqual(
      whole.platforms.map(({ platform }) => platform),
      ['linux/amd64', 'linux/arm64'],
    )
    assert.deepEqual(new Set(whole.differences.map(({ platform }) => platform)), new Set(['linux/arm64']))
    assert.equal(
      (await verify(content, source, target, { platforms: [{ os: 'linux', architecture: 'amd64' }] })).equal,
      true,
    )
    const absent = [{ os: 'linux', architecture: 's390x' }]
    assert.equal((await verify(content, source, target, { platforms: absent })).equal, false)
  })

  it('refuses a source that does not hold itself', async () => {
    const content = new MemoryContentStore()
    const target = store(content, sound)
    const parts = sourceParts(LAYERS)
    const [layer] = parts.layers
    if (layer !== undefined) layer.diffId = digestOf('other')
    await assert.rejects(verify(content, store(content, parts), target), {
      code: 'LAYER_CORRUPT',
      exitCode: 3,
    })
    const gone = store(content, sourceParts(LAYERS))
    content.blobs.delete(gone.digest)
    await assert.rejects(verify(content, gone, target), { code: 'NOT_FOUND', exitCode: 3 })
  })

  it('stops when it is told to', async () => {
    const content = new MemoryContentStore()
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('stop'))
    const roots = [store(content, sourceParts(LAYERS)), store(content, sound)] as const
    await assert.rejects(verify(content, ...roots, { signal: stop.signal, onProgress }), /stop/)
  })
})

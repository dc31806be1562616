import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type SourceImage, writeIndex } from '../../optimizer/convert/documents.ts'
import { convertImage, type ImageRequest } from '../../optimizer/convert/image.ts'
import type { ConvertedLayer } from '../../optimizer/convert/layer.ts'
import {
  TOC_DIGEST_ANNOTATION,
  UNCOMPRESSED_SIZE_ANNOTATION,
} from '../../optimizer/estargz/estargz-format.ts'
import { readToc } from '../../optimizer/estargz/reader.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import {
  type ImageConfig,
  type Index,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../../optimizer/image/manifest.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'
import { openTar, readerOf } from '../helpers/tar-layer.ts'

const BASE = tarOf([dir('bin/'), file('bin/sh', 'shell '.repeat(500)), file('etc', 'x')])
const APP = tarOf([dir('app/'), file('app/main', 'main '.repeat(900)), file('app/data', 'd'.repeat(9000))])
const FORMAT = { kind: 'estargz', compressionLevel: 6, chunkBytes: 4096 } as const
const OPTIONS = { format: FORMAT, workers: 2 }

interface Fixture extends SourceImage {
  index: Index | null
  content: MemoryContentStore
  tars: Buffer[]
}

/** An image of docker's media types with fields that nobody knows. */
function image(tars: Buffer[], changes: { layer?: Partial<Descriptor>; index?: boolean } = {}): Fixture {
  const content = new MemoryContentStore()
  const layers = tars.map((tar) => {
    const blob = gzipSync(tar)
    return {
      mediaType: MEDIA_TYPE.dockerLayerGzip,
      digest: content.add(blob),
      size: blob.length,
      ...changes.layer,
    }
  })
  const config: ImageConfig = {
    created: '2024-01-01T00:00:00Z',
    architecture: 'amd64',
    os: 'linux',
    'org.example.future': { kept: [1, 2] },
    config: { Cmd: ['/bin/sh'], Labels: { a: '<b>' } },
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
    history: [{ created_by: 'COPY' }, { created_by: 'ENV', empty_layer: true }],
  }
  const configBytes = Buffer.from(JSON.stringify(config))
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.dockerManifest,
    config: {
      mediaType: MEDIA_TYPE.dockerConfig,
      digest: content.add(configBytes),
      size: configBytes.length,
    },
    layers,
    annotations: { 'org.opencontainers.image.title': 'kept' },
  }
  const manifestBytes = Buffer.from(JSON.stringify(manifest))
  const descriptor: Descriptor = {
    mediaType: MEDIA_TYPE.dockerManifest,
    digest: content.add(manifestBytes),
    size: manifestBytes.length,
    platform: { os: 'linux', architecture: 'amd64', variant: 'v2' },
    annotations: { 'org.example.child': 'kept' },
  }
  const other = { ...descriptor, platform: { os: 'linux', architecture: 'arm64' } }
  const index: Index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.dockerIndex,
    manifests: [other, descriptor],
    annotations: { 'org.example.index': 'kept' },
  }
  return { content, tars, index: changes.index ? index : null, descriptor, manifest, config }
}

async function converted(fixture: Fixture, changes: Partial<ImageRequest> = {}) {
  const layers: OpenedLayer[] = []
  for (const [index, tar] of fixture.tars.entries()) {
    layers.push({ ...(await openTar(tar)), descriptor: fixture.manifest.layers[index] as Descriptor })
  }
  try {
    const result = await convertImage({
      from: fixture.content,
      content: fixture.content,
      source: fixture,
      layers,
      prioritized: fixture.tars.map(() => []),
      options: OPTIONS,
      ...changes,
    })
    const { index, content } = fixture
    const target = index === null ? result.manifest : await writeIndex(content, index, [result.manifest])
    return { ...result, target }
  } finally {
    for (const layer of layers) await layer.close()
  }
}

describe('Converting an image', () => {
  it('writes layers, config and manifest, each pointing at the next, in OCI types', async () => {
    const fixture = image([BASE, APP])
    const { content } = fixture
    const result = await converted(fixture, { prioritized: [['bin/sh'], ['app/data']] })
    assert.equal(result.target.mediaType, MEDIA_TYPE.ociManifest)
    const manifest = parseManifest(content.bytesOf(result.target.digest), 'manifest')
    assert.equal(manifest.mediaType, MEDIA_TYPE.ociManifest)
    assert.equal(manifest.config.mediaType, MEDIA_TYPE.ociConfig)
    assert.deepEqual(manifest.annotations, { 'org.opencontainers.image.title': 'kept' })
    const config = parseConfig(content.bytesOf(manifest.config.digest), 'config')
    assert.deepEqual(
      manifest.layers.map(({ mediaType }) => mediaType),
      [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.ociLayerGzip],
    )
    for (const [index, layer] of manifest.layers.entries()) {
      const blob = content.bytesOf(layer.digest)
      const tar = gunzipSync(blob)
      assert.equal(layer.size, blob.length)
      assert.equal(config.rootfs.diff_ids[index], digestOf(tar))
      const toc = await readToc(readerOf(blob), blob.length)
      assert.deepEqual(layer.annotations, {
        [TOC_DIGEST_ANNOTATION]: toc?.tocDigest,
        [UNCOMPRESSED_SIZE_ANNOTATION]: String(tar.length),
      })
      assert.equal((await content.info(layer.digest)).labels['containerd.io/uncompressed'], digestOf(tar))
    }
  })

  it('changes nothing of the config but the diff IDs', async () => {
    const fixture = image([BASE])
    const { layers, manifest } = await converted(fixture)
    const document = parseManifest(fixture.content.bytesOf(manifest.digest), 'manifest')
    const text = fixture.content.bytesOf(document.config.digest).toString()
    const old = JSON.stringify(fixture.config)
    assert.equal(text, old.replace(digestOf(BASE), (layers[0] as ConvertedLayer).diffId))
  })

  it('makes of an index one with the one child that was converted', async () => {
    const fixture = image([BASE], { index: true })
    const { target, manifest } = await converted(fixture)
    assert.equal(target.mediaType, MEDIA_TYPE.ociIndex)
    assert.deepEqual(manifest.platform, { os: 'linux', architecture: 'amd64', variant: 'v2' })
    assert.deepEqual(manifest.annotations, { 'org.example.child': 'kept' })
    const index = parseIndex(fixture.content.bytesOf(target.digest), 'index')
    assert.deepEqual(index, {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [manifest],
      annotations: { 'org.example.index': 'kept' },
    })
  })

  it('labels what points at blobs so that the garbage collector keeps them, and carries no label over', async () => {
    const fixture = image([BASE, APP], { index: true })
    const sourceLabels = { 'containerd.io/gc.ref.snapshot.overlayfs': 'sha256:old' }
    await fixture.content.setLabels(fixture.manifest.config.digest, sourceLabels)
    const { target, manifest, layers } = await converted(fixture)
    const document = parseManifest(fixture.content.bytesOf(manifest.digest), 'manifest')
    const labelsOf = async (digest: Digest) => (await fixture.content.info(digest)).labels
    assert.deepEqual(await labelsOf(manifest.digest), {
      'containerd.io/gc.ref.content.config': document.config.digest,
      'containerd.io/gc.ref.content.l.0': layers[0]?.target.digest,
      'containerd.io/gc.ref.content.l.1': layers[1]?.target.digest,
    })
    assert.deepEqual(await labelsOf(target.digest), { 'containerd.io/gc.ref.content.m.0': manifest.digest })
    assert.deepEqual(await labelsOf(document.config.digest), {})
  })

  it('keeps annotations of a layer, but none that describe the old bytes', async () => {
    const annotations = {
      'org.example.kept': 'yes',
      [TOC_DIGEST_ANNOTATION]: 'sha256:old',
      'io.containers.zstd-chunked.manifest-position': 'old',
      'io.github.containers.zstd-chunked.manifest-checksum': 'old',
    }
    const fixture = image([BASE], { layer: { annotations, urls: ['https://example.org/old'], data: 'b2xk' } })
    const { layers } = await converted(fixture)
    const { target, tocDigest } = layers[0] as ConvertedLayer
    assert.deepEqual(Object.keys(target).sort(), ['annotations', 'digest', 'mediaType', 'size'])
    assert.deepEqual(Object.keys(target.annotations ?? {}).sort(), [
      TOC_DIGEST_ANNOTATION,
      UNCOMPRESSED_SIZE_ANNOTATION,
      'org.example.kept',
    ])
    assert.equal(target.annotations?.[TOC_DIGEST_ANNOTATION], tocDigest)
  })

  it('converts equal layers each by its own list', async () => {
    const different = await converted(image([BASE, BASE]), { prioritized: [['bin/sh'], ['etc']] })
    assert.notEqual(different.layers[0]?.target.digest, different.layers[1]?.target.digest)
    const same = await converted(image([BASE, BASE]), { prioritized: [['etc'], ['etc']] })
    assert.equal(same.layers[0]?.target.digest, same.layers[1]?.target.digest)
    assert.equal(same.layers[0]?.target.digest, different.layers[1]?.target.digest)
  })

  it('gives the manifest the annotations asked for, over the source’s', async () => {
    const annotations = { 'org.opencontainers.image.title': 'new', 'org.example.more': 'x' }
    const fixture = image([BASE])
    const { manifest } = await converted(fixture, { annotations })
    const document = parseManifest(fixture.content.bytesOf(manifest.digest), 'manifest')
    assert.deepEqual(document.annotations, annotations)
  })

  it('writes plain tars byte for byte where nothing but that is wanted', async () => {
    const fixture = image([BASE, APP])
    const { layers, manifest } = await converted(fixture, {
      options: { format: { kind: 'uncompressed' }, workers: 1 },
      prioritized: null,
    })
    const document = parseManifest(fixture.content.bytesOf(manifest.digest), 'manifest')
    const tars = document.layers.map(({ digest }) => fixture.content.bytesOf(digest))
    assert.deepEqual(tars, [BASE, APP])
    assert.deepEqual(
      document.layers.map(({ mediaType }) => mediaType),
      [MEDIA_TYPE.ociLayer, MEDIA_TYPE.ociLayer],
    )
    assert.deepEqual(
      layers.map(({ diffId }) => diffId),
      [BASE, APP].map((tar) => digestOf(tar)),
    )
  })

  it('is the same whenever and with how many threads it is done', async () => {
    const prioritized = [['bin/sh'], ['app/main', 'app/data']]
    const digests = []
    for (const workers of [1, 2]) {
      const options = { ...OPTIONS, workers }
      digests.push(
        (await converted(image([BASE, APP], { index: true }), { prioritized, options })).target.digest,
      )
    }
    assert.equal(digests[0], digests[1])
  })

  it('says for each layer what came first, what was missing and what was noted', async () => {
    const fixture = image([tarOf([file('a', 'old'), file('a', 'new'), dir('d/'), file('d/b', 'four')])])
    const { layers, format } = await converted(fixture, { prioritized: [['d/b', 'none']] })
    const [layer] = layers
    assert.equal(layer?.entries, 3)
    assert.equal(layer?.prioritizedFiles, 1)
    assert.equal(layer?.prioritizedBytes, 4)
    assert.deepEqual(layer?.missing, ['none'])
    assert.equal(layer?.notes.duplicateNames, 1)
    assert.ok((layer?.hotZoneBytes ?? 0) > 0 && (layer?.hotZoneBytes ?? 0) < (layer?.target.size ?? 0))
    assert.match(format?.engine.name ?? '', /^(libdeflate|zlib)$/)
  })

  it('tells its progress through the layers: of those in work the lowest', async () => {
    const seen: number[] = []
    await converted(image([BASE, APP]), {
      onProgress: ({ layer, layers, doneBytes, totalBytes }) => {
        assert.ok(doneBytes > 0 && totalBytes > 0)
        assert.equal(layers, 2)
        seen.push(layer)
      },
    })
    assert.deepEqual(seen, seen.toSorted())
    assert.ok(seen.includes(0) && seen.every((layer) => layer <= 1))
  })

  it('leaves no ingest open when the store fails, at whatever write', async () => {
    for (let fails = 1; ; fails++) {
      const fixture = image([BASE, APP], { index: true })
      const before = fixture.content.blobs.size
      const result = await converted(fixture, { content: failing(fixture.content, fails) }).catch(
        (error) => error,
      )
      if (!(result instanceof Error)) {
        assert.ok(fails > 5)
        assert.equal(fixture.content.blobs.size, before + 5)
        break
      }
      assert.match(result.message, /the store is full/)
      assert.equal(fixture.content.ingests.size, 0)
    }
  })

  it('leaves no ingest open and writes no manifest when it is told to stop', async () => {
    const fixture = image([BASE, APP])
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('stop'))
    await assert.rejects(() => converted(fixture, { signal: stop.signal, onProgress }), /stop/)
    assert.equal(fixture.content.ingests.size, 0)
    const types = [...fixture.content.blobs.values()].filter(({ bytes }) =>
      bytes.includes(MEDIA_TYPE.ociManifest),
    )
    assert.deepEqual(types, [])
  })

  it('refuses a level that the engine does not have before it writes anything', async () => {
    const fixture = image([BASE])
    const options = { ...OPTIONS, format: { ...FORMAT, compressionLevel: 99 } }
    await assert.rejects(() => converted(fixture, { options }), { code: 'COMPRESSION_LEVEL_INVALID' })
    assert.equal(fixture.content.ingests.size, 0)
  })
})

/** The store, but its `nth` write or commit fails. */
function failing(content: MemoryContentStore, nth: number): MemoryContentStore {
  let calls = 0
  const count = () => {
    if (++calls === nth) throw new Error('the store is full')
  }
  const store = Object.create(content) as MemoryContentStore
  store.writer = async (ref) => {
    const writer = await content.writer(ref)
    return {
      async write(bytes) {
        count()
        await writer.write(bytes)
      },
      async commit(expected) {
        count()
        await writer.commit(expected)
      },
      abort: () => writer.abort(),
    }
  }
  return store
}

/**
 * The containers dialect pulled by who it is for: containers/storage, in the skopeo of a later Debian, into its own
 * overlay store, from a registry behind a proxy that counts.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { MeteredProxy } from '../../bench/lazy/metered-proxy.ts'
import { type Registry, startRegistry } from '../../bench/lazy/registry.ts'
import { mount, unmount } from '../../native/mounts.ts'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { type ImageSide, verifyImages } from '../../optimizer/verify/verify-images.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { dir, file, link, raw, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertedTar, convertTar } from '../helpers/tar-layer.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const run = promisify(execFile)

const SHARED = Array.from({ length: 20 }, (_, index) =>
  file(`usr/shared-${index}`, randomBytes(100_000), { mtime: 1_000_000_000 + index, mode: 0o644 }),
)
const LARGE = file('usr/large', randomBytes(300_000), { mode: 0o600 })
const FIRST = tarOf([
  dir('usr/'),
  ...SHARED,
  LARGE,
  link('usr/again', 'usr/shared-3'),
  symlink('usr/sym', 'large'),
])
/** Mostly what the first one has, and some of what is hard to tell exactly. */
const SECOND = tarOf([
  dir('usr/'),
  ...SHARED.slice(0, 18),
  file('usr/new', randomBytes(50_000), {
    format: 'pax',
    mtime: '1500000000.123456789',
    records: [
      ['atime', '1500000001.5'],
      ['ctime', '1500000002'],
    ],
  }),
  file('usr/pieces', randomBytes(90_000)),
  file('usr/empty'),
  raw('7', 'usr/contiguous', 'content'),
  link('usr/again', 'usr/shared-3'),
])

async function side(layout: string, name: string): Promise<ImageSide> {
  const { images, content } = await OciLayout.openForReading(layout)
  return { name, root: (await images.find(name)).target, content }
}

describe('The containers dialect', { skip: skipWithoutCommands('later-skopeo', 'docker-registry') }, () => {
  let folder: string
  let registry: Registry
  let proxy: MeteredProxy
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hl-partial-'))
    registry = await startRegistry()
    proxy = await MeteredProxy.start(registry.port, null)
    mkdirSync(join(folder, 'store'))
    // Of its own, so that an overlay can lie on it whatever the temporary folder is.
    mount({ type: 'tmpfs', source: 'tmpfs', target: join(folder, 'store'), options: [] })
    writeFileSync(join(folder, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
    writeFileSync(
      join(folder, 'storage.conf'),
      `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/store/graph"\nrunroot = "${folder}/store/run"\n` +
        '[storage.options.pull_options]\nenable_partial_images = "true"\n',
    )
  })
  after(async () => {
    await proxy?.stop()
    await registry?.stop()
    // The store binds its folder onto itself.
    unmount(join(folder, 'store', 'graph', 'overlay'), { detach: true })
    unmount(join(folder, 'store'))
    rmSync(folder, { recursive: true })
  })

  /** Not in step with this process, where the proxy lives. @returns what it said */
  async function skopeo(...args: string[]): Promise<string> {
    const all = ['--debug', '--policy', join(folder, 'policy.json'), ...args]
    const environment = { ...process.env, CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf') }
    const { stderr } = await run('later-skopeo', all, { env: environment, maxBuffer: 64 * 1024 ** 2 })
    return stderr
  }

  /** An image of these layers, in the registry. */
  async function push(name: string, layers: readonly ConvertedTar[]): Promise<void> {
    const layout = join(folder, name)
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true })
    const put = (mediaType: string, bytes: Buffer) => {
      const digest = digestOf(bytes)
      writeFileSync(join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)), bytes)
      return { mediaType, digest, size: bytes.length }
    }
    const json = (mediaType: string, document: object) =>
      put(mediaType, Buffer.from(JSON.stringify(document)))
    const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) }
    const manifest = json(MEDIA_TYPE.ociManifest, {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: json(MEDIA_TYPE.ociConfig, { architecture: 'amd64', os: 'linux', config: {}, rootfs }),
      layers: layers.map(({ blob, annotations }) => ({ ...put(MEDIA_TYPE.ociLayerZstd, blob), annotations })),
    })
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': name } }
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }))
    const target = `docker://127.0.0.1:${registry.port}/image:${name}`
    await skopeo('copy', '--preserve-digests', '--dest-tls-verify=false', `oci:${layout}:${name}`, target)
  }

  interface Pulled {
    /** Digests of layers that were pulled in parts. */
    partial: Set<string>
    /** Bytes of a layer that passed the wire. */
    bytesOf(digest: string): number
  }

  async function pull(name: string): Promise<Pulled> {
    proxy.requests = []
    const source = `docker://127.0.0.1:${proxy.port}/image:${name}`
    const said = await skopeo('copy', '--src-tls-verify=false', source, `containers-storage:image:${name}`)
    const partial = new Set(
      [...said.matchAll(/Retrieved partial blob (sha256:\w+)/g)].map(([, digest = '']) => digest),
    )
    const requests = [...proxy.requests]
    const bytesOf = (digest: string) =>
      requests.filter(({ path }) => path.includes(digest)).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    return { partial, bytesOf }
  }

  it('is pulled in parts: what the store has of other images is not fetched again', async () => {
    const options = {
      dialect: 'containers' as const,
      level: 3,
      chunkBytes: 40_000,
      prioritized: ['usr/large'],
    }
    const first = await convertTar(FIRST, options)
    const second = await convertTar(SECOND, options)
    await push('first', [first])
    await push('second', [second])
    assert.deepEqual((await pull('first')).partial, new Set([first.digest]))
    // It computes the diff ID from the tar-split data and the files, and refuses another than the config names.
    const { partial, bytesOf } = await pull('second')
    assert.deepEqual(partial, new Set([second.digest]))
    const [fetched, wanted] = [bytesOf(second.digest), second.blob.length]
    assert.ok(wanted > 1_900_000)
    assert.ok(fetched < 160_000, `${fetched} of ${wanted} bytes were fetched`)
  })

  it('as containers/storage itself writes it is found sound', async () => {
    const [plain, theirs] = ['plain', 'theirs'].map((name) => join(folder, name)) as [string, string]
    const layer = [dir('usr/'), file('usr/empty'), LARGE, link('usr/again', 'usr/large')]
    const layout = await OciLayout.openForWriting(plain)
    await putPlatforms(layout, 'image', [{ platform: hostPlatform(), layers: [tarOf(layer)] }])
    await layout.close()
    const places = [`oci:${plain}:image`, `oci:${theirs}:image`]
    await skopeo('copy', '--dest-compress-format', 'zstd:chunked', '--multi-arch', 'all', ...places)
    const [source, target] = await Promise.all([side(plain, 'image'), side(theirs, 'image')])
    const options = { platforms: null, allPlatforms: false, gcLabels: false, differencesMax: 9 }
    const { differences, platforms } = await verifyImages({ source, target, ...options })
    assert.deepEqual(differences, [])
    assert.equal(platforms[0]?.layers[0]?.format, 'zstdchunked-containers')
  })

  it('of the oddest layers is pulled in parts where it promises that, and as a whole otherwise', async () => {
    const layers: ConvertedTar[] = []
    for (const { tar } of oddLayers({ containerdOnly: true }))
      layers.push(await convertTar(tar, { dialect: 'containers', level: 3, chunkBytes: 4096 }))
    await push('odd', layers)
    const promised = layers.filter(({ annotations }) => Object.keys(annotations).length > 0)
    assert.ok(promised.length > 0)
    assert.deepEqual((await pull('odd')).partial, new Set(promised.map(({ digest }) => digest)))
  })
})

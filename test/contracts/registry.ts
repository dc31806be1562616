/** What is asked of every registry, ours for tests and real ones: that the client gets along with it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { Platform } from '../../optimizer/image/platform.ts'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import { attachArtifact, findArtifacts } from '../../optimizer/registry/referrers.ts'
import type { BlobToSend } from '../../optimizer/registry/upload.ts'
import { requireBlobs } from '../../optimizer/store/missing.ts'
import { RegistryImages } from '../../optimizer/store/registry.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { testSettings } from '../helpers/fake-registry.ts'
import { FaultyProxy, type ProxyFault } from '../helpers/faulty-proxy.ts'
import { run } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { bytesOf } from '../helpers/registry-client.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { contentStoreContract } from './store.ts'

export interface StartedRegistry {
  /** On 127.0.0.1. */
  port: number
  stop(): Promise<void>
}

const MIB = 1024 * 1024
const SETTINGS = testSettings(tmpdir())
const AMD64: Platform = { os: 'linux', architecture: 'amd64' }
const ARM64: Platform = { os: 'linux', architecture: 'arm64' }
const SUBJECT = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('a manifest'), size: 10 }
const TYPE = 'application/vnd.example.v1'

function blobOf(bytes: Buffer): BlobToSend {
  return {
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
    async *read(start, end) {
      for (let at = start; at < end; at += MIB) yield bytes.subarray(at, Math.min(end, at + MIB))
    },
  }
}

const wholeOf = ({ length }: Buffer) => ({ offsetBytes: 0, endBytes: undefined, sizeBytes: length })

function image(text: string) {
  const shared = tarOf([file('data', Buffer.alloc(100_000, text))])
  return [
    { platform: AMD64, layers: [shared, tarOf([file('one', text)])] },
    { platform: ARM64, layers: [shared] },
  ]
}

export function registryContract(
  name: string,
  start: () => Promise<StartedRegistry>,
  options: { skip?: string | false } = {},
): void {
  describe(`a registry: ${name}`, options, () => {
    let registry: StartedRegistry
    let access: RegistryAccess
    const repository = (of = 'team/app') => access.repository(`127.0.0.1:${registry.port}`, of, 'write')
    const imagesIn = (port: number, of = 'team/app') => {
      const reference = { registry: `127.0.0.1:${port}`, repository: of, tag: null, digest: null }
      return new RegistryImages(access, reference, 'write')
    }

    before(async () => {
      registry = await start()
      access = new RegistryAccess(SETTINGS)
    })
    after(async () => {
      await access?.close()
      await registry?.stop()
    })

    it('keeps blobs and gives them back, whole and in parts', async () => {
      for (const bytes of [randomBytes(2 * MIB), Buffer.alloc(0)]) {
        const { digest } = blobOf(bytes)
        assert.equal(await repository().blobBytes(digest), undefined)
        assert.equal(await repository().hasForWriting(digest), false)
        await repository().upload(blobOf(bytes))
        assert.equal(await repository().hasForWriting(digest), true)
        assert.equal(await repository().blobBytes(digest), bytes.length)
        assert.deepEqual(await bytesOf(repository().blob(digest, wholeOf(bytes))), bytes)
        const part = { offsetBytes: 10, endBytes: 1000, sizeBytes: bytes.length }
        if (bytes.length > 0)
          assert.deepEqual(await bytesOf(repository().blob(digest, part)), bytes.subarray(10, 1000))
      }
    })

    const faults: [what: string, ProxyFault[]][] = [
      ['in pieces, where one request is too large', [{ on: /^PUT/, does: { kind: 'answer', status: 413 } }]],
      ['that broke off', [{ on: /^PUT/, does: { kind: 'cut the request', afterBytes: 1.5 * MIB } }]],
      [
        'whose pieces broke off',
        [
          { on: /^PUT/, does: { kind: 'answer', status: 413 } },
          { on: /^PATCH/, does: { kind: 'cut the request', afterBytes: MIB / 2 } },
        ],
      ],
    ]
    for (const [what, wanted] of faults)
      it(`takes a blob ${what}`, async () => {
        const proxy = await FaultyProxy.start(registry.port)
        try {
          proxy.faults = [...wanted]
          const bytes = randomBytes(3 * MIB + 5)
          await access.repository(`127.0.0.1:${proxy.port}`, 'team/app', 'write').upload(blobOf(bytes))
          assert.deepEqual(proxy.faults, [])
          assert.deepEqual(await bytesOf(repository().blob(digestOf(bytes), wholeOf(bytes))), bytes)
        } finally {
          await proxy.stop()
        }
      })

    it('has a blob of a neighbour, mounted where it does that', async () => {
      const bytes = randomBytes(1000)
      await repository('team/base').upload(blobOf(bytes))
      const isMounted = await repository().mount(digestOf(bytes), 'team/base')
      if (!isMounted) await repository().upload(blobOf(bytes))
      assert.equal(await repository().hasForWriting(digestOf(bytes)), true)
    })

    it('has an image of several platforms under a tag that can be moved', async () => {
      const images = imagesIn(registry.port)
      const label = `127.0.0.1:${registry.port}/team/app:moving`
      for (const text of ['first', 'second']) {
        await putPlatforms(images, label, image(text), { attested: true })
        const reading = imagesIn(registry.port)
        const resolved = await resolveImages(reading, reading.content, label, 'all')
        await requireBlobs({ content: reading.content, images: reading }, resolved, resolved.attestations)
        assert.equal(resolved.images.length, 2)
        await reading.close()
      }
      await images.close()
    })

    it('finds what is attached to a manifest, by its type', async () => {
      assert.deepEqual(await findArtifacts(repository(), SUBJECT.digest, TYPE), [])
      for (const [text, artifactType] of [
        ['one', TYPE],
        ['two', TYPE],
        ['other', 'application/vnd.other.v1'],
      ] as const) {
        const content = { mediaType: 'text/plain', bytes: Buffer.from(text) }
        await attachArtifact(repository(), { artifactType, subject: SUBJECT, content, annotations: { text } })
      }
      const found = await findArtifacts(repository(), SUBJECT.digest, TYPE)
      assert.deepEqual(found.map(({ annotations }) => annotations?.text).sort(), ['one', 'two'])
    })

    it('has an image converted within it that is the source, file by file', async () => {
      const images = imagesIn(registry.port, 'team/source')
      const at = (text: string) => `127.0.0.1:${registry.port}/team/${text}:v1`
      await putPlatforms(images, at('source'), image('to be converted'))
      await images.close()
      const [source, target] = [`docker://${at('source')}`, `docker://${at('target')}`]
      await run('convert', source, target, '--all-platforms', '--no-optimize')
      const { failure } = await run('verify', source, target)
      assert.equal(failure, null)
    })
  })

  contentStoreContract(
    name,
    async () => {
      const registry = await start()
      const access = new RegistryAccess(SETTINGS)
      const host = `127.0.0.1:${registry.port}`
      const reference = { registry: host, repository: 'team/app', tag: 'v1', digest: null }
      const images = new RegistryImages(access, reference, 'write')
      const close = async () => {
        await images.close()
        await access.close()
        await registry.stop()
      }
      return { store: images.content, ingests: async () => [...images.content.ingests], close }
    },
    options,
  )
}

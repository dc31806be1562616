import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { copyBlob } from '../../optimizer/convert/copy-blob.ts'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import type { Platform } from '../../optimizer/image/platform.ts'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import type { RegistrySettings } from '../../optimizer/registry/settings.ts'
import { requireBlobs } from '../../optimizer/store/missing.ts'
import { RegistryImages } from '../../optimizer/store/registry.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { type FakeOptions, FakeRegistry, fail, testSettings } from '../helpers/fake-registry.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { bytesOf } from '../helpers/registry-client.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const AMD64: Platform = { os: 'linux', architecture: 'amd64' }
const ARM64: Platform = { os: 'linux', architecture: 'arm64' }
const LAYER = tarOf([file('data', randomBytes(200_000))])
const IMAGES = [
  { platform: AMD64, layers: [LAYER, tarOf([file('one', 'a')])] },
  { platform: ARM64, layers: [LAYER] },
]

interface Opened {
  registry: FakeRegistry
  open(repository: string, action: 'read' | 'write'): RegistryImages
}

async function inRegistry(
  body: (opened: Opened) => Promise<void>,
  options: FakeOptions = {},
  changes: Partial<RegistrySettings> = {},
): Promise<void> {
  const registry = await FakeRegistry.start(options)
  const access = new RegistryAccess(testSettings(tmpdir(), changes))
  const opened: RegistryImages[] = []
  const open = (repository: string, action: 'read' | 'write') => {
    const images = new RegistryImages(
      access,
      { registry: registry.host, repository, tag: null, digest: null },
      action,
    )
    opened.push(images)
    return images
  }
  try {
    await body({ registry, open })
  } finally {
    await access.close()
    for (const images of opened) await images.close()
    await registry.stop()
  }
}

describe('an image that is written to a registry', () => {
  it('has its blobs there first, then its manifests, its tag last of all; and is read back whole', async () => {
    await inRegistry(async ({ registry, open }) => {
      const name = `${registry.host}/team/app:v1`
      await putPlatforms(open('team/app', 'write'), name, IMAGES, { attested: true })
      const writes = registry.calls().filter((call) => /^(PUT|POST)/.test(call))
      const kinds = writes.map((call) => /\/manifests\/(v1|sha256)/.exec(call)?.[1] ?? 'blob')
      assert.deepEqual(kinds.slice(kinds.indexOf('sha256')), ['sha256', 'sha256', 'sha256', 'v1'])
      const reading = open('team/app', 'read')
      registry.seen = []
      const resolved = await resolveImages(reading, reading.content, name, 'all')
      await requireBlobs({ content: reading.content, images: reading }, resolved, resolved.attestations)
      assert.equal(resolved.name, `docker://${name}`)
      assert.equal(resolved.images.length, 2)
      for (const { manifest } of resolved.images)
        for (const { digest, size } of manifest.layers)
          assert.equal((await bytesOf(reading.content.read(digest))).length, size)
      const documents = registry.calls().filter((call) => call.includes('/manifests/'))
      assert.equal(documents.length, new Set(documents).size, 'a document is fetched once')
    })
  })

  it('has no tag where a blob could not be sent', async () => {
    await inRegistry(async ({ registry, open }) => {
      registry.fault = (request, response) => {
        if (request.method === 'POST') fail(response, 403, 'DENIED', 'over the quota')
        return request.method === 'POST'
      }
      const put = putPlatforms(open('team/app', 'write'), `${registry.host}/team/app:v1`, IMAGES)
      await assert.rejects(put, { code: 'REGISTRY_DENIED', message: /over the quota/ })
      assert.deepEqual(
        registry.calls().filter((call) => call.startsWith('PUT')),
        [],
      )
    })
  })

  it('is known by a tag of its own repository alone', async () => {
    await inRegistry(async ({ registry, open }) => {
      await assert.rejects(open('team/app', 'read').find(`${registry.host}/team/other:v1`), {
        code: 'IMAGE_ARGUMENT_INVALID',
        message: /elsewhere: name a tag of .*team\/app/,
      })
    })
  })

  it('may be read by its digest', async () => {
    await inRegistry(async ({ registry, open }) => {
      await putPlatforms(open('team/app', 'write'), `${registry.host}/team/app:v1`, IMAGES)
      const { target } = await open('team/app', 'read').get(`${registry.host}/team/app:v1`)
      const found = await open('team/app', 'read').find(`${registry.host}/team/app@${target.digest}`)
      assert.deepEqual(found.target, target)
      await assert.rejects(
        open('team/app', 'read').find(`${registry.host}/team/app@sha256:${'0'.repeat(64)}`),
        {
          code: 'NOT_FOUND',
        },
      )
    })
  })
})

describe('a blob of a registry', () => {
  const bytes = gzipSync(LAYER)

  it('is fetched once where blobs are kept, whatever part of it is wanted afterwards', async () => {
    await inRegistry(
      async ({ registry, open }) => {
        const digest = registry.addBlob('team/app', bytes)
        const { content } = open('team/app', 'read')
        for (let times = 0; times < 2; times++) assert.deepEqual(await bytesOf(content.read(digest)), bytes)
        assert.deepEqual(
          await bytesOf(content.read(digest, { offsetBytes: 5, lengthBytes: 7 })),
          bytes.subarray(5, 12),
        )
        assert.equal((await content.info(digest)).sizeBytes, bytes.length)
        assert.deepEqual(registry.calls(), [`GET /v2/team/app/blobs/${digest}`])
      },
      {},
      { keepBlobs: true },
    )
  })

  it('is not fetched to be written where it is there already, or can be mounted from its neighbour', async () => {
    await inRegistry(
      async ({ registry, open }) => {
        const digest = registry.addBlob('team/base', bytes)
        const blob = { mediaType: MEDIA_TYPE.ociLayerGzip, digest, size: bytes.length }
        const { content: to } = open('team/app', 'write')
        for (let times = 0; times < 2; times++)
          await copyBlob(open('team/base', 'read').content, to, blob, { a: 'b' })
        assert.deepEqual(registry.blobs.get('team/app')?.get(digest), bytes)
        assert.deepEqual((await to.info(digest)).labels, { a: 'b' })
        assert.deepEqual(registry.calls(), [
          `HEAD /v2/team/app/blobs/${digest}`,
          `POST /v2/team/app/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=team%2Fbase`,
          `HEAD /v2/team/app/blobs/${digest}`,
        ])
      },
      { mounts: true },
    )
  })

  it('is copied where it cannot be mounted', async () => {
    await inRegistry(async ({ registry, open }) => {
      const digest = registry.addBlob('team/base', bytes)
      const blob = { mediaType: MEDIA_TYPE.ociLayerGzip, digest, size: bytes.length }
      const to = open('team/app', 'write')
      await copyBlob(open('team/base', 'read').content, to.content, blob)
      await to.content.settle([digest])
      assert.deepEqual(registry.blobs.get('team/app')?.get(digest), bytes)
    })
  })
})

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { Platform } from '../../optimizer/image/platform.ts'
import { requireBlobs } from '../../optimizer/store/missing.ts'
import { readDocument } from '../../optimizer/store/read-document.ts'
import { resolveImage, resolveImages } from '../../optimizer/store/resolve.ts'
import { MemoryContentStore, MemoryImageStore } from '../helpers/memory-store.ts'

const AMD64: Platform = { os: 'linux', architecture: 'amd64' }
const ARM64: Platform = { os: 'linux', architecture: 'arm64' }
const LAYER = Buffer.from('a layer')

let content: MemoryContentStore
let images: MemoryImageStore
beforeEach(() => {
  content = new MemoryContentStore()
  images = new MemoryImageStore()
})

function add(mediaType: string, document: object | string): Descriptor {
  const bytes = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
  return { mediaType, digest: content.add(bytes), size: bytes.length }
}

function manifest(platform: Platform, { mediaType = MEDIA_TYPE.ociManifest as string, layers = 1 } = {}) {
  const descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(LAYER), size: LAYER.length }
  const rootfs = { type: 'layers', diff_ids: [digestOf('a tar')] }
  const config = add(MEDIA_TYPE.ociConfig, { ...platform, rootfs })
  const document = { schemaVersion: 2, config, layers: Array.from({ length: layers }, () => descriptor) }
  return { ...add(MEDIA_TYPE.ociManifest, document), mediaType }
}

function index(manifests: Descriptor[], mediaType: string = MEDIA_TYPE.ociIndex): Descriptor {
  return add(mediaType, { schemaVersion: 2, manifests })
}

const name = (target: Descriptor, text = 'image') => images.put({ name: text, target, labels: {} })
const resolve = (platform = AMD64, text = 'image') => resolveImage(images, content, text, platform)

describe('an image is found', () => {
  it('under the very name', async () => {
    await name(manifest(AMD64), 'alpine')
    await name(manifest(ARM64), 'docker.io/library/alpine:latest')
    assert.equal((await images.find('alpine')).name, 'alpine')
  })

  it('under the name as docker completes it', async () => {
    await name(manifest(AMD64), 'docker.io/library/alpine:latest')
    assert.equal((await resolve(AMD64, 'alpine')).name, 'docker.io/library/alpine:latest')
  })

  it('or not, with every name that was tried', async () => {
    await assert.rejects(images.find('alpine:3'), {
      code: 'NOT_FOUND',
      exitCode: 3,
      message: /"alpine:3" or "docker\.io\/library\/alpine:3"/,
    })
  })

  it('unless the store fails, which is the error then', async () => {
    const failure = new Error('the store is gone')
    images.get = () => Promise.reject(failure)
    await assert.rejects(images.find('alpine'), failure)
  })
})

describe('a name resolves to a manifest and its config', () => {
  it('that it points at itself', async () => {
    const target = manifest(AMD64)
    await name(target)
    const { index, descriptor, root, platform, manifest: found, config } = await resolve()
    assert.deepEqual([index, descriptor, root, platform], [null, target, target, AMD64])
    assert.equal(found.layers.length, config.rootfs.diff_ids.length)
  })

  for (const type of [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerIndex])
    it(`of the platform that is asked for, in an index (${type})`, async () => {
      const children = [AMD64, ARM64].map((platform) => ({ ...manifest(platform), platform }))
      const root = index(children, type)
      await name(root)
      for (const [position, platform] of [AMD64, ARM64].entries()) {
        const found = await resolve(platform)
        assert.deepEqual(found.descriptor, children[position])
        assert.deepEqual([found.root, found.index?.manifests], [root, children])
      }
    })

  it('through an index in an index: the outermost one is kept', async () => {
    const inner = { ...index([{ ...manifest(AMD64), platform: AMD64 }]), platform: AMD64 }
    await name(index([inner]))
    assert.deepEqual((await resolve()).index?.manifests, [inner])
  })

  it('but not through ever deeper ones', async () => {
    let root = manifest(AMD64)
    for (let depth = 0; depth < 5; depth++) root = index([{ ...root, platform: AMD64 }])
    await name(root)
    await assert.rejects(resolve(), { code: 'DOCUMENT_INVALID', message: /nested/ })
  })

  it('of an index with one child of no stated platform, which its config states', async () => {
    await name(index([manifest(AMD64)]))
    assert.deepEqual((await resolve()).platform, AMD64)
    await assert.rejects(resolve(ARM64), { code: 'PLATFORM_NOT_IN_IMAGE', message: /linux\/amd64/ })
  })

  it('of whatever the document is when its media type says nothing', async () => {
    await name(manifest(AMD64, { mediaType: 'application/json' }))
    assert.deepEqual((await resolve()).platform, AMD64)
  })

  it('or to none of that platform: the error names those there are', async () => {
    const children = [AMD64, ARM64].map((platform) => ({ ...manifest(platform), platform }))
    await name(index(children))
    await assert.rejects(resolve({ os: 'linux', architecture: 's390x' }), {
      code: 'PLATFORM_NOT_IN_IMAGE',
      exitCode: 3,
      message: /linux\/s390x.*linux\/amd64, linux\/arm64.*--platform/s,
    })
  })
})

describe('an unsound image is refused', () => {
  it('when its config has not as many diff IDs as the manifest has layers', async () => {
    await name(manifest(AMD64, { layers: 2 }))
    await assert.rejects(resolve(), { code: 'DOCUMENT_INVALID', message: /1 diff IDs for 2 layers/ })
  })

  it('when a document is missing', async () => {
    const target = manifest(AMD64)
    content.blobs.delete(target.digest)
    await name(target)
    await assert.rejects(resolve(), { code: 'NOT_FOUND' })
  })

  it('when a document is not what its descriptor says', async () => {
    const target = manifest(AMD64)
    await name({ ...target, size: target.size + 1 })
    await assert.rejects(resolve(), { code: 'DOCUMENT_CORRUPT', exitCode: 3 })
    const other = Buffer.from('{}'.padEnd(target.size))
    content.blobs.set(target.digest, { bytes: other, labels: {} })
    await name(target)
    await assert.rejects(resolve(), { code: 'DOCUMENT_CORRUPT' })
  })

  it('when a document is said to be huge: it is not even read', async () => {
    const target = { ...manifest(AMD64), size: 100 * 1024 ** 2 }
    content.read = () => assert.fail('it was read')
    await assert.rejects(readDocument(content, target, 'the manifest'), { code: 'DOCUMENT_TOO_LARGE' })
  })

  it('when it is no JSON', async () => {
    await name(add(MEDIA_TYPE.ociManifest, 'no JSON'))
    await assert.rejects(resolve(), { code: 'DOCUMENT_MALFORMED', exitCode: 3 })
  })

  it("when a layer's blob is missing: the error names the layer and says to pull", async () => {
    await name(manifest(AMD64))
    const found = await resolveImages(images, content, 'image', [AMD64])
    await assert.rejects(requireBlobs({ content, images }, found), {
      code: 'NOT_FOUND',
      message: new RegExp(`layer 0 \\(${digestOf(LAYER)}\\) for linux/amd64: pull image for linux/amd64`),
    })
    content.add(LAYER)
    await requireBlobs({ content, images }, found)
  })
})

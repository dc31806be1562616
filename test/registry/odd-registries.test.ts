import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type FakeRegistry, fail } from '../helpers/fake-registry.ts'
import { bytesOf, withFake } from '../helpers/registry-client.ts'

const BYTES = randomBytes(5000)
const WHOLE = { offsetBytes: 0, endBytes: undefined, sizeBytes: BYTES.length }
const INDEX = { schemaVersion: 2, manifests: [] }
const document = Buffer.from(JSON.stringify(INDEX))

describe('a registry that does not answer HEAD', () => {
  for (const [how, status] of [
    ['refuses it', 405],
    ['does not know it', 501],
    ['knows nothing by it', 404],
    ['says no length', 200],
  ] as const)
    it(`is asked for a first byte in its place: one that ${how}`, async () => {
      await withFake({}, {}, async ({ registry, repository }) => {
        const blob = registry.addBlob('team/app', BYTES)
        const empty = registry.addBlob('team/app', Buffer.alloc(0))
        const manifest = registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, INDEX)
        registry.fault = ({ method }, response) => {
          if (method === 'HEAD') response.writeHead(status).end()
          return method === 'HEAD'
        }
        assert.equal(await repository.blobBytes(blob), BYTES.length)
        assert.equal(await repository.blobBytes(empty, 0), 0)
        assert.equal(await repository.manifestBytes(manifest), document.length)
        assert.equal(await repository.blobBytes(digestOf('absent')), undefined)
        assert.equal(await repository.manifestBytes(digestOf('absent')), undefined)
        const heads = registry.calls().filter((call) => call.startsWith('HEAD'))
        assert.equal(heads.length, 1, 'it is asked by HEAD once')
      })
    })

  it('is believed to have what it gives without saying how much that is', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = digestOf(BYTES)
      registry.fault = ({ method, url = '' }, response) => {
        // In chunks: no length is told.
        if (method === 'HEAD') response.writeHead(405).end()
        else response.writeHead(200).end(url.includes('/manifests/') ? document : BYTES)
        return true
      }
      assert.equal(await repository.blobBytes(digest, BYTES.length), BYTES.length)
      assert.equal(await repository.manifestBytes(digestOf(document)), document.length)
      assert.deepEqual(await bytesOf(repository.blob(digest, WHOLE)), BYTES)
      await assert.rejects(repository.blobBytes(digest), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /how large/,
      })
    })
  })
})

describe('a registry that says no digests', () => {
  it('is taken at its bytes, read and written', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const bytes = document
      registry.fault = ({ method }, response) => {
        if (method === 'PUT') response.writeHead(201).end()
        else response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex }).end(bytes)
        return true
      }
      assert.equal((await repository.manifest('v1')).digest, digestOf(bytes))
      assert.deepEqual(await repository.putManifest('v2', MEDIA_TYPE.ociIndex, bytes), { subject: undefined })
    })
  })
})

/** Blobs are elsewhere, behind addresses with a signature: `used` of them, each good for one method. */
function storedElsewhere(
  registry: FakeRegistry,
  store: FakeRegistry,
  rejects: (times: number) => boolean,
): void {
  let times = 0
  registry.fault = ({ method, url = '' }, response) => {
    if ((method !== 'GET' && method !== 'HEAD') || !url.includes('/blobs/')) return false
    response.writeHead(307, { location: `http://${store.host}${url}?method=GET&number=${times}` }).end()
    return true
  }
  store.fault = ({ method }, response) => {
    if (method === 'GET' && !rejects(times++)) return false
    response.writeHead(403, { 'content-type': 'application/xml' })
    response.end('<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>')
    return true
  }
}

describe('a registry whose blobs are in an object store', () => {
  it('is read by addresses that are signed for GET alone, and by new ones where they have run out', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      await withFake({}, {}, async ({ registry: store }) => {
        const digest = store.addBlob('team/app', BYTES)
        storedElsewhere(registry, store, (times) => times === 1)
        assert.equal(await repository.blobBytes(digest), BYTES.length)
        assert.deepEqual(await bytesOf(repository.blob(digest, WHOLE)), BYTES)
      })
    })
  })

  it('is told with the store, and what that one says, where it never gives anything', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      await withFake({}, {}, async ({ registry: store }) => {
        const digest = store.addBlob('team/app', BYTES)
        storedElsewhere(registry, store, () => true)
        await assert.rejects(bytesOf(repository.blob(digest, WHOLE)), {
          code: 'REGISTRY_DENIED',
          message: new RegExp(
            `^${store.host}, to which ${registry.host} sends us, .*\\(AccessDenied: Request has expired\\)`,
          ),
        })
      })
    })
  })
})

describe('a tag that cannot be moved', () => {
  for (const [status, said] of [
    [400, 'The image tag v1 already exists and cannot be overwritten because the repository is immutable'],
    [403, 'tag is immutable'],
    [409, 'conflict'],
    [412, 'Failed to process request due to v1 configured as immutable.'],
  ] as const)
    it(`is no failure where it is there as it should be, and told as what it is where not: ${status}`, async () => {
      await withFake({}, {}, async ({ registry, repository }) => {
        registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, INDEX)
        registry.fault = ({ method }, response) => {
          if (method === 'PUT') fail(response, status, 'DENIED', said)
          return method === 'PUT'
        }
        await repository.putManifest('v1', MEDIA_TYPE.ociIndex, document)
        await assert.rejects(repository.putManifest('v1', MEDIA_TYPE.ociIndex, Buffer.from('{}')), {
          code: 'REGISTRY_REFUSED',
          message: new RegExp(
            `team/app has a tag v1 that cannot be moved: name another one.*${said.slice(0, 20)}`,
          ),
        })
      })
    })

  it('is not taken for the reason where the tag is not there at all', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = ({ method }, response) => {
        if (method === 'PUT') fail(response, 409, 'CONFLICT', 'the project is being moved')
        return method === 'PUT'
      }
      await assert.rejects(
        repository.putManifest('v1', MEDIA_TYPE.ociIndex, document),
        /answered 409.*being moved/,
      )
    })
  })
})

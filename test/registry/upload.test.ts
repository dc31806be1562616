import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import { fail } from '../helpers/fake-registry.ts'
import { blobToSend, withFake } from '../helpers/registry-client.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(3 * MIB + 17)
const BLOB = blobToSend(BYTES)
const DIGEST = BLOB.digest

const withoutIds = (calls: string[]) =>
  calls.map((call) => call.replace(/uploads\/[0-9a-f-]+.*/, 'uploads/…'))

describe('a blob that is sent to a registry', () => {
  it('goes in one request, with its digest', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      await repository.upload(BLOB)
      assert.deepEqual(registry.blobs.get('team/app')?.get(DIGEST), BYTES)
      assert.deepEqual(withoutIds(registry.calls()), [
        'POST /v2/team/app/blobs/uploads/',
        'PUT /v2/team/app/blobs/uploads/…',
      ])
    })
  })

  it('goes on in pieces from what the registry has where the connection breaks off', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.cutUploadsAfter = [MIB + 5]
      await repository.upload(BLOB)
      assert.deepEqual(registry.blobs.get('team/app')?.get(DIGEST), BYTES)
      const calls = withoutIds(registry.calls()).map((call) => call.split(' ')[0])
      assert.deepEqual(calls, ['POST', 'PUT', 'GET', 'PATCH', 'PATCH', 'PUT'])
    })
  })

  it('begins anew, in one request, where the registry takes no pieces or has forgotten what it had', async () => {
    for (const [method, status] of [
      ['PATCH', 405],
      ['GET', 404],
    ] as const)
      await withFake({}, {}, async ({ registry, repository }) => {
        registry.cutUploadsAfter = [MIB + 5]
        registry.fault = (request, response) => {
          if (request.method === method) fail(response, status, 'UNSUPPORTED', 'no')
          return request.method === method
        }
        await repository.upload(BLOB)
        assert.deepEqual(registry.blobs.get('team/app')?.get(DIGEST), BYTES)
        const calls = withoutIds(registry.calls()).map((call) => call.split(' ')[0])
        assert.deepEqual(calls.slice(-2), ['POST', 'PUT'], method)
      })
  })

  it('is told when the registry refuses it, and is not sent again in vain', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = (request, response) => {
        if (request.method === 'PUT') fail(response, 400, 'DIGEST_INVALID', 'not what was promised')
        return request.method === 'PUT'
      }
      await assert.rejects(repository.upload(BLOB), {
        code: 'REGISTRY_REFUSED',
        message: /400.*written.*not what was/,
      })
      assert.equal(registry.calls().filter((call) => call.startsWith('PUT')).length, 1)
    })
  })

  it('begins anew where the registry has forgotten the upload, and is told where it knows no such repository', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      let forgets = true
      registry.fault = (request, response) => {
        const forgotten = request.method === 'PUT' && forgets
        if (forgotten) fail(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown')
        if (forgotten) forgets = false
        return forgotten
      }
      await repository.upload(BLOB)
      assert.deepEqual(registry.blobs.get('team/app')?.get(DIGEST), BYTES)
      registry.fault = (request, response) => {
        if (request.method === 'POST') fail(response, 404, 'NAME_UNKNOWN', 'no such repository')
        return request.method === 'POST'
      }
      const limited = repository.upload({ ...BLOB, digest: digestOf('other') })
      await assert.rejects(limited, { code: 'REGISTRY_REFUSED', message: /NAME_UNKNOWN.*created before/ })
    })
  })

  it('is given up where all but the last step succeeds, however often', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = ({ method, url = '', headers }, response) => {
        const end = /-(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
        if (method === 'PUT') fail(response, 504, 'TIMEOUT', 'the proxy waits no longer')
        else if (method === 'PATCH') response.writeHead(202, { location: url, range: `0-${end}` }).end()
        else if (method === 'GET') response.writeHead(204, { location: url, range: `0-${MIB}` }).end()
        return method === 'PUT' || method === 'PATCH' || method === 'GET'
      }
      await assert.rejects(repository.upload(BLOB), { code: 'REGISTRY_FAILED', message: /waits no longer/ })
    })
  })

  it('is to be sent where the registry fails to mount it, whatever it answers', async () => {
    for (const status of [404, 500])
      await withFake({}, {}, async ({ registry, repository }) => {
        registry.fault = ({ url }, response) => {
          if (!url?.includes('mount=')) return false
          fail(response, status, 'UNKNOWN', 'no mounts')
          return true
        }
        assert.equal(await repository.mount(DIGEST, 'team/base'), false)
        await repository.upload(BLOB)
      })
  })

  it('is mounted from another repository where the registry does that, and says so where not', async () => {
    for (const mounts of [true, false])
      await withFake({ mounts }, {}, async ({ registry, repository }) => {
        registry.addBlob('team/base', BYTES)
        assert.equal(await repository.mount(DIGEST, 'team/base'), mounts)
        assert.equal(await repository.hasForWriting(DIGEST), mounts)
      })
  })

  it('is sent with a new token where the old one has run out in between', async () => {
    const login = { kind: 'bearer', username: 'me', password: 'secret' } as const
    const credentials = new Map([['', { username: 'me', password: 'secret' }]])
    await withFake({ login }, { credentials }, async ({ registry, repository }) => {
      let old = true
      registry.fault = ({ method }) => {
        if (method === 'PUT' && old) registry.tokens.clear()
        if (method === 'PUT') old = false
        return false
      }
      await repository.upload(BLOB)
      assert.deepEqual(registry.blobs.get('team/app')?.get(DIGEST), BYTES)
    })
  })
})

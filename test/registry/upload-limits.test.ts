import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { type FakeRegistry, fail } from '../helpers/fake-registry.ts'
import { blobToSend, withFake } from '../helpers/registry-client.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(3 * MIB + 17)
const BLOB = blobToSend(BYTES)
const DIGEST = BLOB.digest

const lengthOf = ({ headers }: IncomingMessage) => Number(headers['content-length'] ?? 0)
const isStored = (registry: FakeRegistry) => registry.blobs.get('team/app')?.get(DIGEST)?.equals(BYTES)

describe('a blob that is sent to a registry with limits', () => {
  it('goes in pieces, smaller ones where these are too much, until they are taken', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const refused: number[] = []
      registry.fault = (request, response) => {
        if (lengthOf(request) <= MIB / 2) return false
        refused.push(lengthOf(request))
        fail(response, 413, 'SIZE_INVALID', 'too large')
        return true
      }
      await repository.upload(BLOB)
      assert.ok(isStored(registry))
      assert.deepEqual(refused, [BYTES.length, MIB])
      assert.equal(registry.openUploads, 0)
    })
  })

  it('is refused with what to do where no piece is small enough, or pieces are not taken', async () => {
    for (const takesPieces of [true, false])
      await withFake({}, {}, async ({ registry, repository }) => {
        registry.fault = (request, response) => {
          if (request.method === 'PATCH' && !takesPieces) fail(response, 405, 'UNSUPPORTED', 'no pieces')
          else if (lengthOf(request) > 1000) fail(response, 413, 'SIZE_INVALID', 'too large')
          else return false
          return true
        }
        await assert.rejects(repository.upload(BLOB), {
          code: 'REGISTRY_REFUSED',
          message:
            /does not take as much as blob .* in one request \(SIZE_INVALID: too large\): .*client_max_body_size/,
        })
      })
  })

  it('goes in pieces that are no smaller than the registry wants them, but for the last', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.cutUploadsAfter = [MIB / 2]
      const pieces: number[] = []
      registry.fault = (request, response) => {
        if (request.method === 'POST') response.setHeader('oci-chunk-min-length', String(1.5 * MIB))
        if (request.method === 'PATCH') pieces.push(lengthOf(request))
        return false
      }
      await repository.upload(BLOB)
      assert.ok(isStored(registry))
      assert.deepEqual(pieces, [1.5 * MIB])
    })
  })

  it('goes in pieces where something on the way breaks off whatever is large, without a trace of it', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = (request, response) => {
        const isLarge = lengthOf(request) > 2 * MIB
        if (isLarge) response.destroy()
        return isLarge
      }
      await repository.upload(BLOB)
      assert.ok(isStored(registry))
    })
  })
})

describe('an upload that fails', () => {
  it('leaves nothing of it behind where the registry still answers', async () => {
    for (const status of [400, 403, 500])
      await withFake({}, {}, async ({ registry, repository }) => {
        registry.fault = ({ method }, response) => {
          if (method === 'PUT') fail(response, status, 'NO', 'not today')
          return method === 'PUT'
        }
        await assert.rejects(repository.upload(BLOB), /not today/)
        assert.equal(registry.openUploads, 0, String(status))
      })
  })
})

describe('an upload whose token runs out between its pieces', () => {
  for (const says of ['where it gets another', 'nothing'])
    it(`goes on with a new one: the registry says ${says}`, async () => {
      const login = { kind: 'bearer', username: 'me', password: 'secret' } as const
      const credentials = new Map([['', { username: 'me', password: 'secret' }]])
      await withFake({ login }, { credentials }, async ({ registry, repository }) => {
        registry.cutUploadsAfter = [MIB / 2]
        let pieces = 0
        registry.fault = ({ method }, response) => {
          if (method !== 'PATCH' || pieces++ > 0) return false
          registry.tokens.clear()
          if (says === 'nothing') response.writeHead(401).end()
          return says === 'nothing'
        }
        await repository.upload(BLOB)
        assert.ok(isStored(registry))
        assert.ok(pieces > 2, 'the first piece was sent again')
      })
    })
})

describe('an upload that the registry lets go elsewhere', () => {
  it('goes there, and who we are does not', async () => {
    const credentials = new Map([['', { username: 'me', password: 'secret' }]])
    const login = { kind: 'basic', username: 'me', password: 'secret' } as const
    for (const by of ['location', 'redirect'])
      await withFake({ login }, { credentials }, async ({ registry, repository }) => {
        await withFake({}, {}, async ({ registry: elsewhere }) => {
          registry.fault = ({ method, url = '', headers }, response) => {
            if (headers.authorization === undefined || (method !== 'POST' && method !== 'PUT')) return false
            const isBegin = method === 'POST'
            if (isBegin !== (by === 'location')) return false
            const place = `http://${elsewhere.host}/v2/team/app/blobs/uploads/signed?signature=s`
            response.writeHead(isBegin ? 202 : 307, {
              location: isBegin ? place : `http://${elsewhere.host}${url}`,
            })
            response.end()
            return true
          }
          elsewhere.fault = ({ method }, response, body) => {
            if (method === 'PUT') elsewhere.addBlob('team/app', body)
            response.writeHead(201).end()
            return true
          }
          await repository.upload(BLOB)
          assert.ok(isStored(elsewhere), by)
          const [seen] = elsewhere.seen
          assert.deepEqual([seen?.method, seen?.authorization], ['PUT', undefined])
        })
      })
  })
})

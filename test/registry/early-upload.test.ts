/** Blobs that are sent while they are made, and what becomes of them where that goes wrong. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import { EarlyUpload } from '../../optimizer/registry/early-upload.ts'
import type { Repository } from '../../optimizer/registry/repository.ts'
import { RegistryContent } from '../../optimizer/store/registry-content.ts'
import { type FakeRegistry, fail, testSettings } from '../helpers/fake-registry.ts'
import { withFake } from '../helpers/registry-client.ts'

const MIB = 1024 * 1024
const BYTES = randomBytes(3 * MIB + 17)
const DIGEST = digestOf(BYTES)

/** A blob of which more and more is there. */
class Growing {
  sizeBytes = 0
  async *read(start: number, end: number) {
    yield BYTES.subarray(start, end)
  }
}

const methods = ({ seen }: FakeRegistry) => seen.map(({ method }) => method)
const stored = ({ blobs }: FakeRegistry, digest = DIGEST) => blobs.get('team/app')?.get(digest)

async function sendAll(repository: Repository): Promise<{ early: EarlyUpload; blob: Growing }> {
  const blob = new Growing()
  const early = repository.beginUpload(blob)
  assert.ok(early instanceof EarlyUpload)
  for (; blob.sizeBytes < BYTES.length; early.grown()) {
    blob.sizeBytes = Math.min(BYTES.length, blob.sizeBytes + MIB)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { early, blob }
}

describe('a blob that is sent while it is made', () => {
  it('goes in one request of unknown length, its digest at the end', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const { early } = await sendAll(repository)
      assert.equal(await early.finish(DIGEST), true)
      assert.deepEqual(stored(registry), BYTES)
      assert.deepEqual(methods(registry), ['POST', 'PATCH', 'PUT'])
    })
  })

  it('logs in with its first bytes, and begins again with them', async () => {
    const login = { kind: 'bearer', username: 'me', password: 'secret' } as const
    const credentials = new Map([['', { username: 'me', password: 'secret' }]])
    await withFake({ login }, { credentials }, async ({ registry, repository }) => {
      const { early } = await sendAll(repository)
      assert.equal(await early.finish(DIGEST), true)
      assert.deepEqual(stored(registry), BYTES)
    })
  })

  it('is not there, and to be sent anew, where the registry takes no such request, or breaks it off', async () => {
    for (const method of ['POST', 'PATCH', 'PUT', 'cut'])
      await withFake({}, {}, async ({ registry, repository }) => {
        if (method === 'cut') registry.cutUploadsAfter = [MIB]
        registry.fault = (request, response) => {
          if (request.method === method) fail(response, 405, 'UNSUPPORTED', 'no')
          return request.method === method
        }
        const { early } = await sendAll(repository)
        assert.equal(await early.finish(DIGEST), false, method)
        assert.equal(stored(registry), undefined)
        assert.equal(registry.openUploads, 0, method)
      })
  })

  it('is given as long to be written away as a whole one', async () => {
    const limits = { ...testSettings(tmpdir()).limits, stallSeconds: 1 }
    await withFake({}, { limits }, async ({ registry, repository }) => {
      registry.fault = ({ method, url = '' }, response) => {
        const answer = () => response.writeHead(202, { location: url, range: `0-${BYTES.length - 1}` }).end()
        if (method === 'PATCH') setTimeout(answer, 2000)
        if (method === 'PUT') response.writeHead(201).end()
        return method === 'PATCH' || method === 'PUT'
      }
      const { early } = await sendAll(repository)
      assert.equal(await early.finish(DIGEST), true)
    })
  })

  it('is given up without a trace', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const blob = new Growing()
      const early = repository.beginUpload(blob)
      blob.sizeBytes = MIB
      early.grown()
      await early.abandon()
      assert.equal(stored(registry), undefined)
      assert.equal(await early.finish(DIGEST), false)
    })
  })
})

describe('a large blob that is written to a registry', () => {
  const large = randomBytes(10 * MIB)
  const digest = digestOf(large)
  /** Its MiB the other way round. */
  const otherDigest = digestOf(
    Buffer.concat(Array.from({ length: 10 }, (_, at) => large.subarray((9 - at) * MIB, (10 - at) * MIB))),
  )
  const write = async (content: RegistryContent) => {
    const writer = await content.writer('large')
    for (let at = 0; at < large.length; at += MIB) await writer.write(large.subarray(at, at + MIB))
    return writer
  }
  const inContent = (body: (registry: FakeRegistry, content: RegistryContent) => Promise<void>) =>
    withFake({}, {}, async ({ registry, repository }) => {
      const content = new RegistryContent(repository, testSettings(tmpdir()))
      try {
        await body(registry, content)
      } finally {
        await content.close()
      }
    })

  it('is on its way before it is whole', async () => {
    await inContent(async (registry, content) => {
      const writer = await write(content)
      while (!methods(registry).includes('PATCH')) await new Promise((resolve) => setImmediate(resolve))
      await writer.commit({ digest, sizeBytes: large.length })
      await content.settle([digest])
      assert.deepEqual(methods(registry), ['POST', 'PATCH', 'HEAD', 'PUT'])
      assert.equal(stored(registry, digest)?.length, large.length)
    })
  })

  it('is sent in the usual way where that has failed, and so is each that follows', async () => {
    await inContent(async (registry, content) => {
      registry.fault = (request, response) => {
        if (request.method === 'PATCH') fail(response, 404, 'UNSUPPORTED', 'no')
        return request.method === 'PATCH'
      }
      const writer = await write(content)
      await writer.commit({ digest, sizeBytes: large.length })
      await content.settle([digest])
      assert.equal(stored(registry, digest)?.length, large.length)
      assert.deepEqual(methods(registry).slice(-2), ['POST', 'PUT'])
      registry.seen = []
      const next = await content.writer('next')
      for (let at = large.length; at > 0; at -= MIB) await next.write(large.subarray(at - MIB, at))
      await next.commit({ digest: otherDigest, sizeBytes: large.length })
      await content.settle([otherDigest])
      assert.deepEqual(methods(registry), ['HEAD', 'POST', 'PUT'])
    })
  })

  it('is not sent to its end where the registry has it already', async () => {
    await inContent(async (registry, content) => {
      registry.addBlob('team/app', large)
      const writer = await write(content)
      await writer.commit({ digest, sizeBytes: large.length })
      await content.settle([digest])
      assert.equal(methods(registry).includes('PUT'), false)
    })
  })

  it('that comes to nothing holds up no other', async () => {
    await inContent(async (registry, content) => {
      for (let times = 0; times < 5; times++) await (await write(content)).abort()
      const small = randomBytes(1000)
      const writer = await content.writer('small')
      await writer.write(small)
      await writer.commit({ digest: digestOf(small), sizeBytes: small.length })
      await content.settle([digestOf(small)])
      assert.deepEqual(stored(registry, digestOf(small)), small)
    })
  })
})

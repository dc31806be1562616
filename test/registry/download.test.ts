import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { fail, testSettings } from '../helpers/fake-registry.ts'
import { bytesOf, withFake } from '../helpers/registry-client.ts'

const BYTES = randomBytes(700_000)
const WHOLE = { offsetBytes: 0, endBytes: undefined, sizeBytes: BYTES.length }
const isBlob = (url = '') => url.includes('/blobs/sha256')

describe('a blob that is read from a registry', () => {
  it('goes on from where the connection has broken off, as often as it does', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      const cuts = [100_000, 50_000, 200_000]
      registry.fault = (request, response) => {
        const cut = isBlob(request.url) ? cuts.shift() : undefined
        if (cut === undefined) return false
        const start = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0)
        const range = `bytes ${start}-${BYTES.length - 1}/${BYTES.length}`
        response.writeHead(start === 0 ? 200 : 206, {
          'content-length': BYTES.length - start,
          ...(start === 0 ? {} : { 'content-range': range }),
        })
        response.write(BYTES.subarray(start, start + cut), () => response.destroy())
        return true
      }
      assert.equal(digestOf(await bytesOf(repository.blob(digest, WHOLE))), digest)
      const ranges = registry.seen.map(({ range }) => range)
      assert.equal(ranges[0], undefined)
      assert.ok(
        ranges.slice(1).every((range) => /^bytes=[1-9]\d*-699999$/.test(range ?? '')),
        String(ranges),
      )
    })
  })

  it('goes on where the answer ends too early without a word, and where nothing comes for too long', async () => {
    const limits = { ...testSettings(tmpdir()).limits, stallSeconds: 2 }
    await withFake({}, { limits }, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      let faults = 0
      registry.fault = (request, response) => {
        if (!isBlob(request.url) || ++faults > 2) return false
        // Without a length; the second one is never ended.
        const start = faults === 1 ? 0 : 1000
        response.writeHead(
          faults === 1 ? 200 : 206,
          faults === 1 ? {} : { 'content-range': `bytes 1000-699999/700000` },
        )
        response.write(BYTES.subarray(start, start + 1000))
        if (faults === 1) response.end()
        return true
      }
      assert.equal(digestOf(await bytesOf(repository.blob(digest, WHOLE))), digest)
      assert.deepEqual(
        registry.seen.map(({ range }) => range),
        [undefined, 'bytes=1000-699999', 'bytes=2000-699999'],
      )
    })
  })

  it('is read whole, and its beginning passed over, where the registry gives no ranges or wrong ones', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      const range = { offsetBytes: 5000, endBytes: 5100, sizeBytes: BYTES.length }
      registry.fault = (request, response) => {
        if (request.headers.range === undefined) return false
        response.writeHead(206, { 'content-range': `bytes 0-99/${BYTES.length}`, 'content-length': 100 })
        response.end(BYTES.subarray(0, 100))
        return true
      }
      assert.deepEqual(await bytesOf(repository.blob(digest, range)), BYTES.subarray(5000, 5100))
      registry.fault = ({ headers }) => {
        delete headers.range
        return false
      }
      assert.deepEqual(await bytesOf(repository.blob(digest, range)), BYTES.subarray(5000, 5100))
    })
  })

  it('is refused where its size is not the one that its descriptor promises', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      const lying = repository.blob(digest, { ...WHOLE, sizeBytes: BYTES.length - 1 })
      await assert.rejects(bytesOf(lying), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /700000 bytes.*699999/,
      })
    })
  })

  it('is told to be absent, and gives up with the reason after some tries', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const absent = digestOf('nothing')
      await assert.rejects(bytesOf(repository.blob(absent, { ...WHOLE, sizeBytes: 7 })), NotFoundError)
      assert.equal(await repository.blobBytes(absent), undefined)
      const digest = registry.addBlob('team/app', BYTES)
      registry.seen = []
      registry.fault = (request, response) => {
        if (isBlob(request.url)) fail(response, 503, 'UNAVAILABLE', 'the disk is \u001b[31mfull\u0007')
        return isBlob(request.url)
      }
      await assert.rejects(bytesOf(repository.blob(digest, WHOLE)), {
        code: 'REGISTRY_FAILED',
        exitCode: 3,
        message: /503.*team\/app.*UNAVAILABLE: the disk is \[31mfull/,
      })
      assert.equal(registry.seen.length, 5)
    })
  })

  it('is refused where the registry gives other parts than it is asked for, or always ends too early', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      const range = { offsetBytes: 5000, endBytes: 5100, sizeBytes: BYTES.length }
      registry.fault = (_, response) => {
        response.writeHead(206, { 'content-range': `bytes 0-99/${BYTES.length}` }).end(BYTES.subarray(0, 100))
        return true
      }
      await assert.rejects(bytesOf(repository.blob(digest, { ...range, offsetBytes: 1 })), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /only in part: it gave bytes 0-99/,
      })
      registry.fault = (_, response) => {
        response.writeHead(200).end('short')
        return true
      }
      await assert.rejects(bytesOf(repository.blob(digest, WHOLE)), {
        code: 'REGISTRY_FAILED',
        message: /breaks off.*it ended after 5 bytes/,
      })
    })
  })

  it('waits as long as a registry asks that is busy, and tells at once what would take too long', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      let answers = ['0', new Date(Date.now() - 1000).toUTCString()]
      registry.fault = (_, response) => {
        const after = answers.shift()
        if (after === undefined) return false
        response.setHeader('retry-after', after)
        fail(response, 429, 'TOOMANYREQUESTS', 'slow down')
        return true
      }
      assert.equal(digestOf(await bytesOf(repository.blob(digest, WHOLE))), digest)
      answers = ['3600']
      await assert.rejects(repository.manifest('latest'), { code: 'REGISTRY_BUSY', message: /slow down/ })
    })
  })

  it('may lie elsewhere: a redirect is followed, and who we are is not told there', async () => {
    await withFake(
      { login: { kind: 'basic', username: 'me', password: 'secret' } },
      {
        credentials: new Map([['', { username: 'me', password: 'secret' }]]),
      },
      async ({ registry, repository }) => {
        await withFake({}, {}, async ({ registry: elsewhere }) => {
          const digest = elsewhere.addBlob('team/app', BYTES)
          registry.fault = ({ url = '', headers }, response) => {
            if (!isBlob(url) || headers.authorization === undefined) return false
            response.writeHead(307, { location: `http://${elsewhere.host}${url}` }).end()
            return true
          }
          assert.equal(digestOf(await bytesOf(repository.blob(digest, WHOLE))), digest)
          assert.deepEqual(
            elsewhere.seen.map(({ authorization }) => authorization),
            [undefined],
          )
          registry.fault = (request, response) => {
            response.writeHead(307, { location: request.url as string }).end()
            return true
          }
          await assert.rejects(repository.manifest('x'), {
            code: 'REGISTRY_ANSWER_INVALID',
            message: /redirects/,
          })
        })
      },
    )
  })
})

describe('a manifest that is read from a registry', () => {
  const DOCUMENT = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }

  it('comes with its own media type and digest', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, DOCUMENT)
      const found = await repository.manifest('v1')
      assert.deepEqual([found.digest, found.mediaType], [digest, MEDIA_TYPE.ociIndex])
      assert.equal(await repository.manifestBytes(digest), found.bytes.length)
      await assert.rejects(repository.manifest('v2'), {
        code: 'NOT_FOUND',
        message: /tag v2 of 127.*team\/app/,
      })
    })
  })

  it('is refused where the digest or the media type is another than promised, and where it is too large', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      const digest = registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociManifest, DOCUMENT)
      await assert.rejects(repository.manifest('v1'), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /says of itself/,
      })
      registry.fault = (_, response) => {
        response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex }).end('{}')
        return true
      }
      await assert.rejects(repository.manifest(digest), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: new RegExp(digest),
      })
      registry.fault = (_, response) => {
        response
          .writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex })
          .end(Buffer.alloc(9 * 1024 * 1024, ' '))
        return true
      }
      await assert.rejects(repository.manifest('v1'), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /more than 8388608/,
      })
    })
  })
})

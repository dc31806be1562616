import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { MemoryHolder } from '../../optimizer/registry/failover.ts'
import { TransitBlob } from '../../optimizer/store/transit.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { type FakeRegistry, fail } from '../helpers/fake-registry.ts'
import { withMirrors } from '../helpers/mirrored-registry.ts'
import { bytesOf } from '../helpers/registry-client.ts'

const BYTES = randomBytes(300_000)
const DIGEST = digestOf(BYTES)
const WHOLE = { offsetBytes: 0, endBytes: undefined, sizeBytes: BYTES.length }
const BLOB = `/v2/team/app/blobs/${DIGEST}`
const isBlob = (url = '') => url.includes('/blobs/sha256')

/** What it gives in place of a blob's bytes. */
function giving(registry: FakeRegistry, bytes: Buffer): void {
  registry.fault = ({ url, method }, response) => {
    if (!isBlob(url)) return false
    response.writeHead(200, { 'content-length': bytes.length }).end(method === 'HEAD' ? undefined : bytes)
    return true
  }
}

/** It gives so many bytes, as they are or others, and then nothing, ever. */
function breakingOff(registry: FakeRegistry, afterBytes: number, bytes = BYTES): void {
  let times = 0
  registry.fault = ({ url }, response) => {
    if (!isBlob(url)) return false
    if (times++ > 0) {
      response.destroy()
      return true
    }
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, afterBytes), () => response.destroy())
    return true
  }
}

const rangesOf = ({ seen }: FakeRegistry) => seen.map(({ range }) => range)

for (const [where, newHolder] of [
  ['memory', () => new MemoryHolder()],
  ['a file without a name', () => new TransitBlob(tmpdir())],
] as const)
  describe(`a blob of which a mirror gives other bytes, kept in ${where}`, () => {
    it('comes from the next host, which is told with mirror, digest and what was wrong; nobody is given a wrong byte', async () => {
      await withMirrors(2, async ({ mirrors: [first, second], own, repository, log }) => {
        own.addBlob('team/app', BYTES)
        const others = randomBytes(BYTES.length)
        giving(first as FakeRegistry, others)
        giving(second as FakeRegistry, BYTES.subarray(1))
        for (let times = 0; times < 2; times++)
          assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE, { newHolder })), BYTES)
        assert.deepEqual(log.warnings, [
          `${first?.host} gave other bytes of blob ${DIGEST}: they have ${digestOf(others)}; ${second?.host} is asked instead`,
          `${second?.host} has 299999 bytes of blob ${DIGEST}, 300000 were to be expected: one of them is wrong; push the image again; ${own.host} is asked instead`,
        ])
        // A host that lied is not asked for the same thing again.
        assert.deepEqual([first?.seen.length, second?.seen.length], [1, 1])
        assert.deepEqual(own.calls(), [`GET ${BLOB}`, `GET ${BLOB}`])
      })
    })
  })

describe('a blob of which a mirror gives a beginning alone', () => {
  it('goes on from there at the next host, for its digest proves the whole', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository, log }) => {
      own.addBlob('team/app', BYTES)
      breakingOff(mirror as FakeRegistry, 100_000)
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
      const [range, ...others] = rangesOf(own)
      assert.match(range ?? '', /^bytes=[1-9]\d*-299999$/)
      assert.deepEqual(others, [])
      assert.match(log.warnings.join('\n'), new RegExp(`^${mirror?.host}.*${DIGEST}.*${own.host} is asked`))
    })
  })

  it('is fetched from the next host alone where the beginning was wrong', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository }) => {
      own.addBlob('team/app', BYTES)
      breakingOff(mirror as FakeRegistry, 100_000, randomBytes(BYTES.length))
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
      const [part, whole, ...others] = rangesOf(own)
      assert.match(part ?? '', /^bytes=[1-9]/)
      assert.deepEqual([whole, others], [undefined, []])
    })
  })

  it('is not put together from two hosts where a part is wanted, which no digest proves', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository }) => {
      own.addBlob('team/app', BYTES)
      breakingOff(mirror as FakeRegistry, 120_000)
      const part = { offsetBytes: 50_000, endBytes: 250_000, sizeBytes: BYTES.length }
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, part)), BYTES.subarray(50_000, 250_000))
      assert.deepEqual(rangesOf(own), ['bytes=50000-249999'])
    })
  })
})

describe('a manifest or a size of which a mirror lies', () => {
  it('comes from the next host, with a warning', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository, log }) => {
      const document = { schemaVersion: 2, manifests: [] }
      const digest = own.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, document)
      own.addBlob('team/app', BYTES)
      giving(mirror as FakeRegistry, BYTES.subarray(1))
      assert.equal(await repository.blobBytes(DIGEST, BYTES.length), BYTES.length)
      ;(mirror as FakeRegistry).fault = (_, response) => {
        response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex }).end('{"schemaVersion":2}')
        return true
      }
      assert.equal((await repository.manifest(digest)).digest, digest)
      assert.match(
        log.warnings[0] ?? '',
        new RegExp(`^${mirror?.host} says that blob ${DIGEST} has 299999 bytes`),
      )
      assert.match(
        log.warnings[1] ?? '',
        new RegExp(`^${mirror?.host} gave other bytes of manifest ${digest}`),
      )
    })
  })
})

describe('a blob that no host gives', () => {
  it('ends with what each of them said, the registry itself first', async () => {
    await withMirrors(2, async ({ mirrors: [first, second], own, repository }) => {
      giving(first as FakeRegistry, randomBytes(BYTES.length))
      for (const registry of [second as FakeRegistry, own])
        registry.fault = (_, response) => {
          fail(response, 503, 'UNAVAILABLE', 'the disk is full')
          return true
        }
      const message = new RegExp(
        `^${own.host} answered 503.*Before it was asked: ${first?.host} gave other bytes.*${second?.host} answered 503`,
      )
      await assert.rejects(bytesOf(repository.blob(DIGEST, WHOLE)), {
        code: 'REGISTRY_FAILED',
        exitCode: 3,
        message,
      })
    })
  })

  it('is told to be absent where the registry lacks it, whatever its mirrors do', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], repository }) => {
      giving(mirror as FakeRegistry, BYTES.subarray(1))
      await assert.rejects(bytesOf(repository.blob(DIGEST, WHOLE)), (error: Error) => {
        assert.ok(error instanceof NotFoundError)
        assert.match(error.message, new RegExp(`Before it was asked: ${mirror?.host}`))
        return true
      })
    })
  })
})

describe('mirrors that do not work at all', () => {
  it('are told once, and asked no more where they cannot be reached', async () => {
    await withMirrors(2, async ({ mirrors: [gone, busy], own, repository, log }) => {
      const blobs = [1, 2, 3].map(() => own.addBlob('team/app', randomBytes(1000)))
      const { host } = gone as FakeRegistry
      ;(gone as FakeRegistry).fault = (_, response) => {
        response.destroy()
        return true
      }
      ;(busy as FakeRegistry).fault = (_, response) => {
        fail(response, 502, 'BAD_GATEWAY', 'no')
        return true
      }
      for (const digest of blobs) assert.equal(await repository.blobBytes(digest), 1000)
      assert.deepEqual(
        log.warnings.map((line) => line.replace(/ .*; /, ' … ')),
        [`${host} … ${busy?.host} is asked instead`, `${busy?.host} … ${own.host} is asked instead`],
      )
      // Twice, for the first blob.
      assert.equal(gone?.seen.length, 2)
    })
  })
})

for (const [from, mirrored] of [
  ['a mirror', 1],
  ['the registry itself', 0],
] as const)
  describe(`a blob that nobody wants any more while it comes from ${from}`, () => {
    it('is fetched no further, nothing of it is kept, and that says nothing of the host', async () => {
      await withMirrors(mirrored, async ({ mirrors, own, repository, log }) => {
        const [host = own] = mirrors
        host.addBlob('team/app', BYTES)
        const stalled = new EventEmitter()
        const [begun, gone] = [once(stalled, 'begun'), once(stalled, 'gone')]
        host.fault = (_, response) => {
          response.once('close', () => stalled.emit('gone'))
          response.writeHead(200, { 'content-length': BYTES.length })
          response.write(BYTES.subarray(0, 100_000), () => stalled.emit('begun'))
          return true
        }
        const unwanted = new AbortController()
        const holder = new TransitBlob(tmpdir())
        const options = { wanted: unwanted.signal, newHolder: () => holder }
        const reading = bytesOf(repository.blob(DIGEST, WHOLE, options))
        await begun
        unwanted.abort(new NotFoundError('no use for it'))
        await assert.rejects(reading, { message: 'no use for it' })
        await gone
        host.fault = () => false
        assert.deepEqual(await bytesOf(holder.read(0, BYTES.length)), Buffer.alloc(0))
        assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
        assert.deepEqual([host.seen.length, log.warnings], [2, []])
        if (host !== own) assert.deepEqual(own.seen, [])
      })
    })
  })

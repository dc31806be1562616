import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { RegistrySettings } from '../../optimizer/registry/settings.ts'
import { RegistryContent } from '../../optimizer/store/registry-content.ts'
import { SpoolSpace } from '../../optimizer/tar/spool-space.ts'
import { type FakeRegistry, fail, testSettings } from '../helpers/fake-registry.ts'
import { type Mirrored, withMirrors } from '../helpers/mirrored-registry.ts'
import { type Asking, bytesOf, withFake } from '../helpers/registry-client.ts'

const MIB = 1024 * 1024

async function withContent(
  changes: Partial<RegistrySettings>,
  body: (asking: Asking & { content: RegistryContent }) => Promise<void>,
): Promise<void> {
  await withFake({}, changes, async (asking) => {
    const content = new RegistryContent(asking.repository, testSettings(tmpdir(), changes))
    try {
      await body({ ...asking, content })
    } finally {
      await content.close()
    }
  })
}

/** As a layer begins; what begins as JSON, as one of 256 random ones does, is taken for a document, and waits. */
function newBlob(): Buffer {
  const bytes = randomBytes(MIB)
  bytes.set([0x1f, 0x8b])
  return bytes
}

async function write(content: RegistryContent, bytes: Buffer): Promise<void> {
  const writer = await content.writer(digestOf(bytes))
  await writer.write(bytes)
  await writer.commit({ digest: digestOf(bytes), sizeBytes: bytes.length })
}

/** One upload at a time, and no other blob where one of 1 MiB waits. */
const NARROW = { limits: { ...testSettings(tmpdir()).limits, uploads: 1, unsentBytesMax: MIB } }

describe('blobs that are made faster than they can be sent', () => {
  it('are not begun before there is room for what waits', async () => {
    await withContent(NARROW, async ({ registry, content }) => {
      const begun: ServerResponse[] = []
      const arrivals = new EventEmitter()
      let holds = true
      registry.fault = ({ method }, response) => {
        if (method !== 'POST' || !holds) return false
        begun.push(response)
        arrivals.emit('arrived')
        return true
      }
      const blobs = [1, 2, 3].map(() => newBlob())
      const arrived = once(arrivals, 'arrived')
      await write(content, blobs[0] as Buffer)
      await arrived
      const order: string[] = []
      const second = write(content, blobs[1] as Buffer).then(() => order.push('second'))
      // A blob that is read passes it by: nothing of the second one was taken until then.
      const other = registry.addBlob('team/app', newBlob())
      await bytesOf(content.read(other))
      order.push('sent')
      holds = false
      for (const response of begun) response.writeHead(503).end()
      await second
      assert.deepEqual(order, ['sent', 'second'])
      await write(content, blobs[2] as Buffer)
      await content.settle(blobs.map((bytes) => digestOf(bytes)))
      for (const bytes of blobs)
        assert.ok(registry.blobs.get('team/app')?.get(digestOf(bytes))?.equals(bytes))
    })
  })

  it('end with the failure of what was to be sent, for which they wait in vain', async () => {
    await withContent(NARROW, async ({ registry, content }) => {
      registry.fault = ({ method }, response) => {
        if (method === 'POST') fail(response, 403, 'DENIED', 'over the quota')
        return method === 'POST'
      }
      await write(content, newBlob())
      await assert.rejects(write(content, newBlob()), {
        code: 'REGISTRY_DENIED',
        message: /over the quota/,
      })
    })
  })

  it('do not wait where they are kept until the end anyway', async () => {
    await withContent({ ...NARROW, keepBlobs: true }, async ({ registry, content }) => {
      const begun: ServerResponse[] = []
      registry.fault = ({ method }, response) => {
        if (method === 'POST') begun.push(response)
        return method === 'POST'
      }
      for (let times = 0; times < 3; times++) await write(content, newBlob())
    })
  })
})

/** Given as fast as it is taken. @returns how much was given so far */
function givenInPieces(
  registry: FakeRegistry,
  digests: readonly string[],
  sizeBytes: number,
): Map<string, number> {
  const given = new Map<string, number>()
  const piece = Buffer.alloc(64 * 1024)
  registry.fault = ({ url = '' }, response) => {
    const digest = digests.find((one) => url.includes(one))
    if (digest === undefined) return false
    response.writeHead(200, { 'content-length': sizeBytes })
    const give = () => {
      for (let bytes = given.get(digest) ?? 0; bytes < sizeBytes; ) {
        bytes += piece.length
        given.set(digest, bytes)
        if (!response.write(piece)) return void response.once('drain', give)
      }
      response.end()
    }
    give()
    return true
  }
  return given
}

describe('a blob that is read slower than it comes', () => {
  it('is not fetched ahead but for what the connection holds', async () => {
    await withContent({}, async ({ registry, content }) => {
      const [slow, fast] = [digestOf('slow'), digestOf('fast')]
      const given = givenInPieces(registry, [slow, fast], 64 * MIB)
      const reading = content.read(slow)[Symbol.asyncIterator]()
      const { value } = await reading.next()
      assert.ok((value as Buffer).length > 0)
      // Another of the same size passes it by.
      let bytes = 0
      for await (const piece of content.read(fast)) bytes += piece.length
      assert.deepEqual([bytes, given.get(fast)], [64 * MIB, 64 * MIB])
      assert.ok((given.get(slow) ?? 0) < 32 * MIB, String(given.get(slow)))
      await reading.return?.()
    })
  })
})

describe('a layer that lies on disk until a mirror has given all of it', () => {
  const bytes = newBlob()
  const mirrored = (
    body: (asking: Mirrored & { content: RegistryContent; space: SpoolSpace }) => Promise<void>,
    diskBytesMax: number,
  ) =>
    withMirrors(1, async (asking) => {
      for (const registry of [asking.own, ...asking.mirrors]) registry.addBlob('team/app', bytes)
      const content = new RegistryContent(asking.repository, testSettings(tmpdir()))
      await body({ ...asking, content, space: new SpoolSpace({ folder: tmpdir(), diskBytesMax }) })
    })

  it('counts towards what the layers may take of it, until it has been read', async () => {
    const read = async ({ content, space }: { content: RegistryContent; space: SpoolSpace }) => {
      assert.equal(content.holdsWhileRead, true)
      const found: Buffer[] = []
      for await (const piece of content.read(digestOf(bytes), { space })) {
        assert.throws(() => space.takeDisk(1), { code: 'SPOOL_LIMIT' })
        found.push(piece)
      }
      assert.ok(Buffer.concat(found).equals(bytes))
      space.takeDisk(bytes.length)
    }
    await mirrored(read, bytes.length)
  })

  it('ends the run where it may not take so much, and gives back what it took', async () => {
    const read = async ({
      content,
      space,
      log,
    }: Mirrored & { content: RegistryContent; space: SpoolSpace }) => {
      const reading = bytesOf(content.read(digestOf(bytes), { space }))
      await assert.rejects(reading, { code: 'SPOOL_LIMIT' })
      space.takeDisk(bytes.length - 1)
      assert.deepEqual(log.warnings, [])
    }
    await mirrored(read, bytes.length - 1)
  })

  it('does not lie there where there is no mirror', async () => {
    await withContent({}, async ({ registry, content }) => {
      const digest = registry.addBlob('team/app', bytes)
      assert.equal(content.holdsWhileRead, false)
      const space = new SpoolSpace({ folder: tmpdir(), diskBytesMax: 0 })
      assert.ok((await bytesOf(content.read(digest, { space }))).equals(bytes))
    })
  })
})

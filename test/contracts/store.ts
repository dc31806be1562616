/** What every store must do; run on the memory store, on layouts and archives, and, as root, on a real containerd. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'
import { NotFoundError } from '../../shared/errors.ts'

/** A store opened for a suite; closed after it. */
export interface Opened<Store> {
  store: Store
  close(): Promise<void>
}

/** What the content contract needs besides: a look at the ingests under way. */
export type OpenedContent = Opened<ContentStore> & { ingests(): Promise<string[]> }

const ABSENT = digestOf('nobody wrote this')
const MIB = 1024 * 1024

async function put(store: ContentStore, bytes: Uint8Array, labels?: Record<string, string>): Promise<Digest> {
  const digest = digestOf(bytes)
  const writer = await store.writer(`put-${randomBytes(6).toString('hex')}`)
  await writer.write(bytes)
  await writer.commit({ digest, sizeBytes: bytes.length, ...(labels ? { labels } : {}) })
  return digest
}

async function readAll(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

export function contentStoreContract(
  name: string,
  open: () => Promise<OpenedContent>,
  options: { skip?: string | false } = {},
): void {
  describe(`content store: ${name}`, options, () => {
    let opened: OpenedContent
    let store: ContentStore
    before(async () => {
      opened = await open()
      store = opened.store
    })
    after(() => opened?.close())

    it('gives back the bytes of a blob, with its size and labels', async () => {
      const bytes = randomBytes(1000)
      const digest = await put(store, bytes, { colour: 'red' })
      assert.deepEqual(await readAll(store.read(digest)), bytes)
      const info = await store.info(digest)
      assert.equal(info.sizeBytes, 1000)
      assert.equal(info.labels.colour, 'red')
    })

    it('takes a blob larger than any message, in pieces of any size', async () => {
      const bytes = randomBytes(9 * MIB + 17)
      const writer = await store.writer('pieces')
      const cuts = [0, 1, 70_000, 3 * MIB, 3 * MIB, 9 * MIB, bytes.length]
      for (const [index, start] of cuts.slice(0, -1).entries())
        await writer.write(bytes.subarray(start, cuts[index + 1]))
      const digest = digestOf(bytes)
      await writer.commit({ digest, sizeBytes: bytes.length })
      assert.equal(digestOf(await readAll(store.read(digest))), digest)
    })

    it('has taken the bytes when a write resolves: their memory may be filled anew', async () => {
      const bytes = randomBytes(MIB)
      const writer = await store.writer('reused-memory')
      const memory = Buffer.alloc(bytes.length / 8)
      for (let start = 0; start < bytes.length; start += memory.length) {
        bytes.copy(memory, 0, start, start + memory.length)
        await writer.write(memory)
        memory.fill(0)
      }
      const digest = digestOf(bytes)
      await writer.commit({ digest, sizeBytes: bytes.length })
      assert.deepEqual(await readAll(store.read(digest)), bytes)
    })

    it('reads ranges', async () => {
      const bytes = randomBytes(3 * MIB)
      const digest = await put(store, bytes)
      const range = (offsetBytes?: number, lengthBytes?: number) =>
        readAll(
          store.read(digest, {
            ...(offsetBytes === undefined ? {} : { offsetBytes }),
            ...(lengthBytes === undefined ? {} : { lengthBytes }),
          }),
        )
      assert.deepEqual(await range(10, 20), bytes.subarray(10, 30))
      assert.deepEqual(await range(2 * MIB), bytes.subarray(2 * MIB))
      assert.deepEqual(await range(undefined, 5), bytes.subarray(0, 5))
      assert.equal((await range(7, 0)).length, 0)
      assert.deepEqual(await range(bytes.length - 1, 1), bytes.subarray(-1))
    })

    it('lets a reader leave early', async () => {
      const bytes = randomBytes(4 * MIB)
      const digest = await put(store, bytes)
      for await (const piece of store.read(digest)) {
        assert.ok(piece.length > 0)
        break
      }
      assert.equal((await readAll(store.read(digest))).length, bytes.length)
    })

    it('stores the empty blob', async () => {
      const digest = await put(store, Buffer.alloc(0))
      assert.equal((await store.info(digest)).sizeBytes, 0)
      assert.equal((await readAll(store.read(digest))).length, 0)
    })

    it('says that a blob does not exist', async () => {
      await assert.rejects(store.info(ABSENT), NotFoundError)
      await assert.rejects(readAll(store.read(ABSENT)), NotFoundError)
      await assert.rejects(store.setLabels(ABSENT, { a: 'b' }), NotFoundError)
    })

    it('accepts a blob that is there already and merges its labels', async () => {
      const bytes = randomBytes(500)
      const digest = await put(store, bytes, { first: '1', both: 'old' })
      await put(store, bytes, { second: '2', both: 'new' })
      const { labels } = await store.info(digest)
      assert.deepEqual(
        { first: labels.first, second: labels.second, both: labels.both },
        { first: '1', second: '2', both: 'new' },
      )
      assert.deepEqual(await opened.ingests(), [])
    })

    it('sets labels one by one and removes those set to nothing', async () => {
      const digest = await put(store, randomBytes(10), { keep: 'k', drop: 'd' })
      await store.setLabels(digest, { drop: '', 'containerd.io/gc.ref.content.l.0': ABSENT })
      const { labels } = await store.info(digest)
      assert.equal(labels.keep, 'k')
      assert.ok(!('drop' in labels))
      assert.equal(labels['containerd.io/gc.ref.content.l.0'], ABSENT)
    })

    it('refuses bytes that are not the expected ones, and keeps nothing of them once aborted', async () => {
      const writer = await store.writer('wrong')
      await writer.write(Buffer.from('something else'))
      await assert.rejects(writer.commit({ digest: ABSENT, sizeBytes: 14 }), { code: 'CONTENT_MISMATCH' })
      await writer.abort()
      await assert.rejects(store.info(ABSENT), NotFoundError)
      assert.deepEqual(await opened.ingests(), [])
    })

    it('keeps nothing of an aborted ingest, and aborting again is no error', async () => {
      const writer = await store.writer('aborted')
      await writer.write(randomBytes(2 * MIB))
      await writer.abort()
      await writer.abort()
      assert.deepEqual(await opened.ingests(), [])
    })

    it('starts afresh under the ref of an aborted ingest', async () => {
      const first = await store.writer('again')
      await first.write(Buffer.from('old bytes'))
      await first.abort()
      const second = await store.writer('again')
      await second.write(Buffer.from('new'))
      await second.commit({ digest: digestOf('new'), sizeBytes: 3 })
      assert.equal((await readAll(store.read(digestOf('new')))).toString(), 'new')
    })

    it('keeps a committed blob when its writer is aborted afterwards', async () => {
      const writer = await store.writer('late-abort')
      await writer.write(Buffer.from('kept'))
      await writer.commit({ digest: digestOf('kept'), sizeBytes: 4 })
      await writer.abort()
      assert.equal((await store.info(digestOf('kept'))).sizeBytes, 4)
    })

    it('takes several blobs at once', async () => {
      const blobs = Array.from({ length: 8 }, () => randomBytes(300_000))
      const digests = await Promise.all(blobs.map((bytes) => put(store, bytes)))
      for (const [index, digest] of digests.entries())
        assert.deepEqual(await readAll(store.read(digest)), blobs[index])
    })
  })
}

/** What the image contract needs besides: an image needs a blob to point at, and a name that the store can have. */
export type OpenedImages = Opened<ImageStore> & { content: ContentStore; nameOf?(text: string): string }

/**
 * @param options.labels false for formats that have no place for an image's labels
 * @param options.annotations false for those that have none for what a name says of its target
 */
export function imageStoreContract(
  name: string,
  open: () => Promise<OpenedImages>,
  {
    labels: keepsLabels = true,
    annotations: keepsAnnotations = true,
    ...options
  }: { skip?: string | false; labels?: boolean; annotations?: boolean } = {},
): void {
  describe(`image store: ${name}`, options, () => {
    let opened: OpenedImages
    const nameOf = (text: string) => opened.nameOf?.(text) ?? text
    before(async () => {
      opened = await open()
    })
    after(() => opened?.close())

    async function image(imageName: string, text: string, labels: Record<string, string> = {}) {
      const digest = await put(opened.content, Buffer.from(text))
      return {
        name: nameOf(imageName),
        target: { mediaType: MEDIA_TYPE.ociManifest, digest, size: text.length },
        labels: keepsLabels ? labels : {},
      }
    }

    it('gives back what was put under exactly that name', async () => {
      const stored = await image('example/web:1', '{"one":1}', { origin: 'test' })
      await opened.store.put(stored)
      assert.deepEqual(await opened.store.get(nameOf('example/web:1')), stored)
      await assert.rejects(opened.store.get(nameOf('example/web')), NotFoundError)
    })

    it('replaces target and labels of a name that is there', async () => {
      await opened.store.put(await image('replaced', '{"old":1}', { a: '1', b: '1' }))
      const newer = await image('replaced', '{"new":22}', { b: '2' })
      await opened.store.put(newer)
      assert.deepEqual(await opened.store.get(nameOf('replaced')), newer)
    })

    // A store that has no place for them leaves them out.
    const what = keepsAnnotations ? 'keeps' : 'leaves out'
    it(`${what} the annotations of a target`, async () => {
      const stored = await image('annotated', '{"three":3}')
      const target = { ...stored.target, annotations: { 'org.opencontainers.image.created': 'x' } }
      await opened.store.put({ ...stored, target })
      const found = (await opened.store.get(nameOf('annotated'))).target
      assert.deepEqual(found, keepsAnnotations ? target : stored.target)
    })

    it('survives many putting the same name at once', async () => {
      const images = await Promise.all([1, 2, 3, 4, 5].map((n) => image('contended', `{"n":${n}}`)))
      await Promise.all(images.map((one) => opened.store.put(one)))
      const { target } = await opened.store.get(nameOf('contended'))
      assert.ok(images.some((one) => one.target.digest === target.digest))
    })
  })
}

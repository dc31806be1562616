import assert from 'node:assert/strict'
import {
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Containerd } from '../../optimizer/containerd/client.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { ContainerdContentStore, ContainerdImageStore } from '../../optimizer/store/containerd.ts'
import { DirectIngest } from '../../optimizer/store/direct-ingest.ts'
import { LocalBlobs } from '../../optimizer/store/local-blobs.ts'
import type { ContentStore } from '../../optimizer/store/store.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { contentStoreContract, imageStoreContract } from '../contracts/store.ts'
import { openContainerd, skipWithoutContainerd, type TestContainerd } from '../helpers/containerd.ts'

const skip = skipWithoutContainerd()
const LARGE_BYTES = 64 * 1024 ** 2

async function open() {
  const { client, stop } = await openContainerd()
  await client.leases.create('test', {}, new Date(Date.now() + 3600_000))
  const leased = client.underLease('test')
  const content = new ContainerdContentStore(leased, 'run1')
  return {
    content,
    images: new ContainerdImageStore(leased),
    ingests: () => client.content.listIngests('run1-'),
    close: stop,
  }
}

contentStoreContract(
  'containerd',
  async () => {
    const { content, ingests, close } = await open()
    return { store: content, ingests, close }
  },
  { skip },
)

contentStoreContract(
  'containerd, large blobs by its own files',
  async () => {
    const { content, ingests, close } = await open()
    const store: ContentStore = {
      info: (digest) => content.info(digest),
      read: (digest, range) => content.read(digest, range),
      writer: (ref) => content.writer(ref, LARGE_BYTES),
      setLabels: (digest, labels) => content.setLabels(digest, labels),
    }
    return { store, ingests, close }
  },
  { skip },
)

imageStoreContract(
  'containerd',
  async () => {
    const { content, images, close } = await open()
    return { store: images, content, close }
  },
  { skip },
)

describe("reading blobs from containerd's own files", { skip }, () => {
  let opened: TestContainerd
  const clients: Containerd[] = []
  before(async () => {
    opened = await openContainerd()
  })
  after(async () => {
    for (const client of clients) client.close()
    await opened.stop()
  })

  async function storeOf(namespace: string, directContent: boolean): Promise<ContainerdContentStore> {
    const { address } = opened.daemon
    const client = await Containerd.connect(address, namespace, { directContent })
    clients.push(client)
    return new ContainerdContentStore(client, 'test')
  }

  async function textOf(store: ContainerdContentStore, digest: ReturnType<typeof digestOf>): Promise<string> {
    const pieces: Buffer[] = []
    for await (const piece of store.read(digest)) pieces.push(piece)
    return Buffer.concat(pieces).toString()
  }

  /** A blob, and the file it is in. */
  async function written(text: string) {
    const digest = digestOf(text)
    const store = await storeOf(opened.daemon.namespace, true)
    const writer = await store.writer(`put-${digest.slice(7, 20)}`)
    await writer.write(Buffer.from(text))
    await writer.commit({ digest, sizeBytes: text.length, labels: { 'containerd.io/gc.root': 'test' } })
    const folder = (await opened.client.introspection.contentFolder()) ?? assert.fail('it tells no folder')
    return { digest, store, file: join(folder, 'blobs', 'sha256', digest.slice('sha256:'.length)) }
  }

  /** In which an ingest's bytes lie. */
  async function ingestFile(ref: string): Promise<string> {
    const folder = (await opened.client.introspection.contentFolder()) ?? assert.fail('it tells no folder')
    const ingests = readdirSync(join(folder, 'ingest')).map((name) => join(folder, 'ingest', name))
    const own = ingests.find((path) => readFileSync(join(path, 'ref'), 'utf8').endsWith(`/${ref}`))
    return join(own ?? assert.fail('there is no such ingest'), 'data')
  }

  it('gives what lies in the file, and what the daemon sends where that is asked for', async () => {
    const { digest, store, file } = await written('as it was')
    assert.equal(await textOf(store, digest), 'as it was')
    const through = await storeOf(opened.daemon.namespace, false)
    assert.equal(await textOf(through, digest), 'as it was')
    // The same file under the same name: who shows the change has read it.
    writeFileSync(file, 'as it is ')
    assert.equal(await textOf(store, digest), 'as it is ')
  })

  it('leaves to the daemon a file of another size, or a link to one', async () => {
    const { digest, file } = await written('a blob that loses its end')
    const blobs = new LocalBlobs(opened.client)
    truncateSync(file, 6)
    assert.equal(await blobs.open(digest, 25), undefined)
    renameSync(file, `${file}-aside`)
    symlinkSync(`${file}-aside`, file)
    assert.equal(await blobs.open(digest, 6), undefined)
  })

  it('writes a large one into the file of its ingest, which the daemon reads and compares', async () => {
    const store = await storeOf(opened.daemon.namespace, true)
    const text = 'not through the daemon'
    const writer = await store.writer('large', LARGE_BYTES)
    await writer.write(Buffer.from(text))
    const file = await ingestFile('test-large')
    assert.equal(readFileSync(file, 'utf8'), text)
    writeFileSync(file, text.toUpperCase())
    const commit = writer.commit({ digest: digestOf(text), sizeBytes: text.length })
    await assert.rejects(commit, { code: 'CONTENT_MISMATCH' })
    await writer.abort()
    assert.deepEqual(await opened.client.content.listIngests('test-large'), [])
  })

  it('sends the rest of a very large one through the daemon, behind what the file holds', async () => {
    const store = await storeOf(opened.daemon.namespace, true)
    const { content } = opened.client
    const blobs = new LocalBlobs(opened.client)
    const held: number[] = []
    const watched = {
      prepare: (ref: string) => content.prepare(ref),
      abort: (ref: string) => content.abort(ref),
      resume(ref: string, heldBytes: number) {
        held.push(statSync(file).size, heldBytes)
        return content.resume(ref, heldBytes)
      },
    }
    const writer = (await DirectIngest.open(watched, blobs, 'test-very-large', 10)) ?? assert.fail('no file')
    const file = await ingestFile('test-very-large')
    const pieces = ['the file ', 'holds this, ', 'the daemon is sent this, ', 'and this']
    for (const piece of pieces) await writer.write(Buffer.from(piece))
    const text = pieces.join('')
    await writer.commit(digestOf(text), text.length, { 'containerd.io/gc.root': 'test' })
    assert.equal(await textOf(store, digestOf(text)), text)
    // The daemon's database waits while it reads these.
    assert.deepEqual(held, [10, 10])
  })

  it('has the daemon go on before the end where it is told that little follows', async () => {
    const store = await storeOf(opened.daemon.namespace, true)
    const writer = await store.writer('near-end', LARGE_BYTES)
    const pieces = ['in the file, ', 'and sent']
    await writer.write(Buffer.from(pieces[0] as string))
    writer.nearEnd?.()
    await writer.write(Buffer.from(pieces[1] as string))
    const text = pieces.join('')
    await writer.commit({ digest: digestOf(text), sizeBytes: text.length })
    assert.equal(await textOf(store, digestOf(text)), text)
    const abandoned = await store.writer('near-end', LARGE_BYTES)
    await abandoned.write(Buffer.from(text))
    abandoned.nearEnd?.()
    await abandoned.abort()
    assert.deepEqual(await opened.client.content.listIngests('test-near-end'), [])
  })

  it('gives no namespace what another one has', async () => {
    const { digest } = await written('seen by one alone')
    await assert.rejects(textOf(await storeOf('another', true), digest), NotFoundError)
  })
})

describe('a blob that another run has written', { skip }, () => {
  it('outlives that run where this one wanted to write it, or takes it as it is', async (t) => {
    const { client, stop } = await openContainerd()
    t.after(stop)
    const storeUnder = async (lease: string) => {
      await client.leases.create(lease, {}, new Date(Date.now() + 3600_000))
      return new ContainerdContentStore(client.underLease(lease), lease)
    }
    const write = async (store: ContainerdContentStore, text: string) => {
      const writer = await store.writer('blob')
      await writer.write(Buffer.from(text))
      await writer.commit({ digest: digestOf(text), sizeBytes: text.length })
    }
    const [other, own] = [await storeUnder('other'), await storeUnder('own')]
    for (const text of ['written twice', 'kept as it is', 'nobody else wants this']) await write(other, text)
    await write(own, 'written twice')
    await own.setLabels(digestOf('kept as it is'), {})
    await client.leases.delete('other')
    assert.equal((await own.info(digestOf('written twice'))).sizeBytes, 13)
    assert.equal((await own.info(digestOf('kept as it is'))).sizeBytes, 13)
    await assert.rejects(own.info(digestOf('nobody else wants this')), NotFoundError)
  })
})

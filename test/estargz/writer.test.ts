import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { compressionEngine } from '../../native/compression.ts'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { estargzFormat } from '../../optimizer/estargz/estargz-format.ts'
import { HEADER_RUN_BYTES } from '../../optimizer/estargz/members.ts'
import { orderEntries } from '../../optimizer/estargz/prioritize.ts'
import { chunksOf, verifyContents } from '../../optimizer/estargz/reader.ts'
import { type BlobSink, writeBlob } from '../../optimizer/estargz/writer.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import fc from '../helpers/property.ts'
import { anyTar } from '../helpers/tar-arbitrary.ts'
import { dir, entryBytes, file, headerBytes, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { convertTar, indexTar, openTar, readerOf } from '../helpers/tar-layer.ts'

const SAMPLE = [
  dir('bin/'),
  file('bin/tool', randomBytes(150_000), { mode: 0o755 }),
  link('bin/alias', 'bin/tool'),
  file('empty'),
  symlink('sh', 'bin/tool'),
  file('text', 'words '.repeat(30_000)),
  file('small', 'x'),
]

/** Entries of a tar as bytes: header blocks, content and padding of each. */
function wholeEntries(tar: Buffer): string[] {
  return indexTar(tar)
    .entries.map(({ headerOffset, payloadOffset, payloadBytes }) => {
      const end = payloadOffset + Math.ceil(payloadBytes / 512) * 512
      return tar.toString('latin1', headerOffset, end)
    })
    .sort()
}

const sizes = fc.integer({ min: 1, max: 5000 })

describe('A written blob', () => {
  let pool: CompressionPool
  before(() => {
    pool = new CompressionPool({ workers: 1 })
  })
  after(() => pool.close())

  it('is what its digests, sizes and offsets say', async () => {
    const made = await convertTar(tarOf(SAMPLE), { prioritized: ['text'], chunkBytes: 50_000 })
    assert.equal(made.digest, digestOf(made.blob))
    assert.equal(made.sizeBytes, made.blob.length)
    assert.equal(made.diffId, digestOf(made.tar))
    assert.equal(made.uncompressedBytes, made.tar.length)
    assert.equal(made.tocDigest, made.toc.tocDigest)
    assert.equal(made.tocOffset, made.toc.tocOffset)
    assert.deepEqual(made.toc.landmark, { kind: 'prefetch', offset: made.hotZoneBytes, index: 4 })
  })

  it('holds every entry of its source byte for byte, and three more', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTar({ unique: true }),
        fc.integer({ min: 1, max: 5000 }),
        async ({ items, tar }, chunkBytes) => {
          const paths = indexTar(tar).entries.map(({ path }) => path)
          const made = await convertTar(tar, {
            pool,
            chunkBytes,
            prioritized: paths.filter((_, index) => index % 3 === 1),
          })
          assert.deepEqual(wholeEntries(made.tar), wholeEntries(tar))
          assert.equal(wholeEntries(made.tar).length, items.length)
          assert.equal(indexTar(made.tar).notes.formatEntries, 2)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('proves every chunk and file by its TOC', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTar(),
        sizes,
        fc.option(sizes, { nil: 0 }),
        async ({ tar }, chunkBytes, minChunkBytes) => {
          const { blob, toc } = await convertTar(tar, { pool, chunkBytes, minChunkBytes })
          const digests = await verifyContents(readerOf(blob), toc)
          const files = toc.toc.entries.filter(({ type }) => type === 'reg')
          assert.deepEqual(
            [...digests],
            files.map(({ name, digest }) => [name, digest]),
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  it("tells of each entry in the tar's order what the tar tells", async () => {
    const made = await convertTar(tarOf(SAMPLE), { prioritized: ['small', 'bin/alias'] })
    assert.deepEqual(
      made.toc.toc.entries.map(({ name, type }) => `${type} ${name}`),
      [
        'reg small',
        'dir bin/',
        'reg bin/tool',
        'hardlink bin/alias',
        'reg .prefetch.landmark',
        'reg empty',
        'symlink sh',
        'reg text',
      ],
    )
    assert.deepEqual(
      indexTar(made.tar).entries.map(({ path }) => path),
      ['small', 'bin', 'bin/tool', 'bin/alias', 'empty', 'sh', 'text'],
    )
  })

  it('begins with the landmark that forbids prefetching when nothing comes first', async () => {
    for (const prioritized of [[], ['not/there']]) {
      const made = await convertTar(tarOf(SAMPLE), { prioritized })
      assert.equal(made.toc.toc.entries[0]?.name, '.no.prefetch.landmark')
      assert.equal(made.toc.landmark?.kind, 'no-prefetch')
      assert.equal(made.hotZoneBytes, 0)
    }
  })

  it('of an empty layer has a landmark and a TOC', async () => {
    for (const tar of [tarOf([]), Buffer.alloc(0)]) {
      const made = await convertTar(tar)
      assert.deepEqual(
        made.toc.toc.entries.map(({ name }) => name),
        ['.no.prefetch.landmark'],
      )
      assert.equal(indexTar(made.tar).entries.length, 0)
    }
  })

  it("has a member at its start, at each file's content, at each further chunk and at the TOC", async () => {
    const made = await convertTar(tarOf(SAMPLE), { chunkBytes: 100_000 })
    const { blob, tocOffset, toc } = made
    const chunks = chunksOf(toc)
    assert.deepEqual(
      chunks.map(({ name, chunkOffset, chunkBytes }) => [name, chunkOffset, chunkBytes]),
      [
        ['.no.prefetch.landmark', 0, 1],
        ['bin/tool', 0, 100_000],
        ['bin/tool', 100_000, 50_000],
        ['text', 0, 100_000],
        ['text', 100_000, 80_000],
        ['small', 0, 1],
      ],
    )
    const offsets = [0, ...chunks.map(({ offset }) => offset), tocOffset]
    assert.deepEqual(memberOffsets(blob), [...offsets, blob.length - 51])
  })

  it('writes every member with the same header: no time, no flags, no system', async () => {
    const { blob } = await convertTar(tarOf(SAMPLE), { level: 9 })
    for (const offset of memberOffsets(blob).slice(0, -1)) {
      assert.equal(blob.toString('hex', offset, offset + 10), '1f8b08000000000000ff')
    }
  })

  it('leaves the chunk size out where a chunk goes to the end of its file', async () => {
    const { toc } = await convertTar(tarOf([file('two', Buffer.alloc(20)), file('one', Buffer.alloc(10))]), {
      chunkBytes: 10,
    })
    const sizes = toc.toc.entries
      .slice(1)
      .map(({ name, type, chunkOffset, chunkSize }) => [name, type, chunkOffset, chunkSize])
    assert.deepEqual(sizes, [
      ['two', 'reg', undefined, 10],
      ['two', 'chunk', 10, undefined],
      ['one', 'reg', undefined, undefined],
    ])
  })

  it('copies padding that is not zero, and makes up for padding that is missing', async () => {
    const tar = tarOf([file('a', 'x'), file('b', 'y')], { zeroBlocks: 0 })
    tar.fill(0x55, 513, 1024)
    const cut = tar.subarray(0, 2 * 1024 - 511)
    const made = await convertTar(cut)
    assert.equal(made.tar.length % 512, 0)
    assert.deepEqual(made.tar.subarray(1024, 2048 + 1024), Buffer.concat([cut, Buffer.alloc(511)]))
  })

  it('cuts long runs of headers, which readers do not notice', async () => {
    const items = Array.from({ length: 5000 }, (_, index) => symlink(`link-${index}`, 'target'))
    const { blob, toc } = await convertTar(tarOf([...items, file('last', 'x')]))
    const runs = Math.ceil((5000 * 512) / HEADER_RUN_BYTES)
    // Landmark header, landmark with the first headers, the further runs, the last file, TOC, footer.
    assert.equal(memberOffsets(blob).length, 2 + (runs - 1) + 1 + 2)
    assert.equal((await verifyContents(readerOf(blob), toc)).size, 2)
  })

  it('is the same with one, two and three threads', async () => {
    const items = Array.from({ length: 300 }, (_, index) =>
      file(
        `f${index}`,
        randomBytes(300)
          .toString('hex')
          .repeat(1 + (index % 90)),
      ),
    )
    const tar = tarOf([file('large', randomBytes(9_000_000)), ...items])
    const [one, ...others] = await Promise.all(
      [1, 2, 3].map((workers) =>
        convertTar(tar, { workers, chunkBytes: 1_000_000, prioritized: ['f7', 'f3'] }),
      ),
    )
    for (const other of others) assert.ok(other.blob.equals((one as { blob: Buffer }).blob))
  })

  it('differs by engine and level in nothing but compression', async () => {
    const tar = tarOf(SAMPLE)
    const made = await convertTar(tar)
    for (const options of [
      { engine: 'zlib' as const },
      { level: 1 },
      { level: compressionEngine().levelMax },
    ]) {
      const other = await convertTar(tar, options)
      assert.deepEqual(wholeEntries(other.tar), wholeEntries(made.tar))
      assert.equal((await verifyContents(readerOf(other.blob), other.toc)).size, 5)
    }
  })

  it('has the header blocks of a converted layer when it is converted again', async () => {
    const once = await convertTar(tarOf(SAMPLE), { prioritized: ['text'] })
    const twice = await convertTar(once.tar, { prioritized: ['text'] })
    assert.ok(once.blob.equals(twice.blob))
    const other = await convertTar(once.tar)
    assert.equal(other.toc.toc.entries.filter(({ name }) => name.includes('landmark')).length, 1)
  })
})

describe('Writing a blob', () => {
  async function writing(sink: BlobSink, signal?: AbortSignal): Promise<void> {
    const layer = await openTar(tarOf([file('large', randomBytes(30_000_000))]))
    const pool = new CompressionPool({ workers: 2 })
    try {
      await writeBlob(layer, orderEntries(layer.entries, []), pool, sink, {
        format: estargzFormat({ compressionLevel: 1, chunkBytes: 1_000_000 }),
        ...(signal === undefined ? {} : { signal }),
      })
    } finally {
      await pool.close()
      await layer.close()
    }
  }

  it('fails when the store fails, whatever is under way', async () => {
    let writes = 0
    const sink = {
      async write() {
        if (++writes === 5) throw new Error('the store is full')
      },
    }
    await assert.rejects(() => writing(sink), /the store is full/)
    assert.equal(writes, 5)
  })

  it('ends when its signal says so, whatever is under way', async () => {
    const stop = new AbortController()
    const sink = { write: async () => stop.abort(new Error('stop')) }
    await assert.rejects(() => writing(sink, stop.signal), /stop/)
  })

  it('goes no faster than the store takes it', async () => {
    let unwritten = 0
    let unwrittenMax = 0
    const sink = {
      async write(bytes: Uint8Array) {
        unwritten += bytes.length
        unwrittenMax = Math.max(unwritten, unwrittenMax)
        await new Promise((resolve) => setImmediate(resolve))
        unwritten -= bytes.length
      },
    }
    await writing(sink)
    assert.ok(unwrittenMax <= 1024 * 1024)
  })

  it('names its progress in uncompressed bytes, up to the whole', async () => {
    const tar = tarOf(SAMPLE)
    const layer = await openTar(tar)
    const pool = new CompressionPool({ workers: 1 })
    const seen: number[] = []
    const format = estargzFormat({ compressionLevel: 1, chunkBytes: 1000 })
    const options = { format, onProgress: (bytes: number) => void seen.push(bytes) }
    await writeBlob(layer, orderEntries(layer.entries, []), pool, { write: async () => {} }, options)
    await pool.close()
    await layer.close()
    const entries = SAMPLE.reduce((sum, entry) => sum + entryBytes(entry).length, 0)
    assert.equal(seen.at(-1), entries + headerBytes(file('l')).length + 512)
  })
})

/** Where gzip members begin, found by inflating one after the other. */
function memberOffsets(blob: Buffer): number[] {
  const offsets: number[] = []
  for (let offset = 0; offset < blob.length; ) {
    offsets.push(offset)
    let end = offset + 20
    // A member ends where the next begins; the first place where it inflates whole is its end.
    for (end = blob.indexOf('1f8b08', end, 'hex'); end >= 0; end = blob.indexOf('1f8b08', end + 1, 'hex')) {
      if (inflates(blob.subarray(offset, end))) break
    }
    offset = end < 0 ? blob.length : end
  }
  return offsets
}

function inflates(member: Buffer): boolean {
  try {
    gunzipSync(member)
    return true
  } catch {
    return false
  }
}

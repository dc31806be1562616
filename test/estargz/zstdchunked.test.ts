import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ZstdStream } from '../../native/zstd.ts'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { Crc64 } from '../../optimizer/estargz/crc64.ts'
import { chunksOf, verifyContents } from '../../optimizer/estargz/reader.ts'
import { DIALECTS, type FramePosition } from '../../optimizer/estargz/zstd-footer.ts'
import { readTarSplit } from '../../optimizer/estargz/zstdchunked-reader.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import fc from '../helpers/property.ts'
import { anyTar } from '../helpers/tar-arbitrary.ts'
import { device, dir, fifo, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import {
  type ConvertedTar,
  type ConvertTarOptions,
  convertTar,
  indexTar,
  openTar,
  readerOf,
} from '../helpers/tar-layer.ts'

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

interface TarSplitLine {
  type: number
  name?: string
  size?: number
  payload: string | null
  position: number
}

async function tarSplitLines({ blob, toc }: ConvertedTar): Promise<TarSplitLine[]> {
  const { tarSplitDigest } = JSON.parse(toc.json.toString()) as { tarSplitDigest: Digest }
  const text = await readTarSplit(
    readerOf(blob),
    toc.frames?.tarSplit as FramePosition,
    tarSplitDigest,
    2 ** 30,
  )
  return text
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TarSplitLine)
}

/** The tar as its readers make it: segments, and the contents of files by their names. */
function assembled(lines: readonly TarSplitLine[], tar: Buffer): Buffer {
  const { entries } = indexTar(tar)
  const contents = new Map(entries.map((entry) => [entry.name.toString(), entry]))
  const pieces = lines.map(({ type, name, size = 0, payload }, position) => {
    assert.equal(lines[position]?.position, position)
    if (type === 2) return Buffer.from(payload as string, 'base64')
    if (size === 0) return Buffer.alloc(0)
    const { payloadOffset = 0, payloadBytes = 0 } = contents.get(name as string) ?? {}
    const content = tar.subarray(payloadOffset, payloadOffset + payloadBytes)
    const sum = new Crc64()
    sum.update(content)
    assert.equal(sum.digest().toString('base64'), payload)
    assert.equal(content.length, size)
    return content
  })
  return Buffer.concat(pieces)
}

describe('A zstd:chunked blob', () => {
  let pool: CompressionPool
  before(() => {
    pool = new CompressionPool({ workers: 1 })
  })
  after(() => pool.close())

  for (const dialect of DIALECTS) {
    const hasLandmark = dialect === 'stargz'
    const converted = (tar: Buffer, options: ConvertTarOptions = {}) =>
      convertTar(tar, { dialect, level: 3, ...options })

    it(`of the ${dialect} dialect is what its digests, sizes, offsets and annotations say`, async () => {
      const made = await converted(tarOf(SAMPLE), { prioritized: ['text'], chunkBytes: 50_000 })
      assert.equal(made.toc.format, hasLandmark ? 'zstdchunked' : 'zstdchunked-containers')
      assert.equal(made.digest, digestOf(made.blob))
      assert.equal(made.diffId, digestOf(made.tar))
      assert.equal(made.uncompressedBytes, made.tar.length)
      assert.equal(made.tocOffset, made.toc.tocOffset)
      if (hasLandmark)
        assert.deepEqual(made.toc.landmark, { kind: 'prefetch', offset: made.hotZoneBytes, index: 4 })
      else assert.equal(made.toc.landmark, undefined)
      const { toc, tarSplit, compressedTocDigest } = made.toc.frames ?? assert.fail('no frames')
      const position = ({ offset, compressedBytes, uncompressedBytes }: FramePosition) =>
        `${offset}:${compressedBytes}:${uncompressedBytes}`
      const expected = hasLandmark
        ? {
            'containerd.io/snapshot/stargz/toc.digest': made.toc.tocDigest,
            'io.containers.estargz.uncompressed-size': String(made.tar.length),
            'io.containers.zstd-chunked.manifest-checksum': compressedTocDigest,
            'io.containers.zstd-chunked.manifest-position': `${position(toc)}:1`,
          }
        : {
            'io.github.containers.zstd-chunked.manifest-checksum': compressedTocDigest,
            'io.github.containers.zstd-chunked.manifest-position': `${position(toc)}:1`,
            'io.github.containers.zstd-chunked.tarsplit-position': position(tarSplit as FramePosition),
          }
      assert.deepEqual(made.annotations, expected)
    })

    it(`of the ${dialect} dialect holds every entry of its source byte for byte, and proves each by its TOC`, async () => {
      await fc.assert(
        fc.asyncProperty(
          anyTar({ unique: true }),
          fc.integer({ min: 1, max: 5000 }),
          async ({ tar }, chunkBytes) => {
            const paths = indexTar(tar).entries.map(({ path }) => path)
            const prioritized = paths.filter((_, index) => index % 3 === 1)
            const made = await converted(tar, { pool, chunkBytes, prioritized, prefetchLevel: 9 })
            assert.deepEqual(wholeEntries(made.tar), wholeEntries(tar))
            assert.equal(indexTar(made.tar).notes.formatEntries, hasLandmark ? 1 : 0)
            assert.deepEqual(made.tar.subarray(-1024), Buffer.alloc(1024))
            const digests = await verifyContents(readerOf(made.blob), made.toc)
            const files = made.toc.toc.entries.filter(({ type }) => type === 'reg')
            assert.equal(digests.size, files.length)
          },
        ),
        { numRuns: 30, endOnFailure: true },
      )
    })

    it(`of the ${dialect} dialect is the same with one, two and three threads`, async () => {
      const items = Array.from({ length: 200 }, (_, index) =>
        file(
          `f${index}`,
          randomBytes(300)
            .toString('hex')
            .repeat(1 + (index % 90)),
        ),
      )
      const tar = tarOf([file('large', randomBytes(5_000_000)), ...items])
      const options = { chunkBytes: 1_000_000, prioritized: ['f7', 'f3'], prefetchLevel: 9 }
      const [one, ...others] = await Promise.all(
        [1, 2, 3].map((workers) => converted(tar, { ...options, workers })),
      )
      for (const other of others) assert.ok(other.blob.equals((one as ConvertedTar).blob))
    })

    it(`of the ${dialect} dialect spends the best level on what comes first, and nowhere else`, async () => {
      const text = readFileSync('package-lock.json')
      const tar = tarOf([file('cold', text), file('hot', text), file('last', 'x')])
      const [plain, best] = await Promise.all(
        [{}, { prefetchLevel: 9 }].map((level) => converted(tar, { prioritized: ['hot'], ...level })),
      )
      const sizes = (made: ConvertedTar | undefined) =>
        Object.fromEntries(
          chunksOf((made as ConvertedTar).toc).map(({ name, memberBytes }) => [name, memberBytes]),
        )
      assert.ok((sizes(best).hot as number) < (sizes(plain).hot as number))
      assert.equal(sizes(best).cold, sizes(plain).cold)
    })

    it(`of the ${dialect} dialect is made again the same from itself, old landmarks and TOC gone`, async () => {
      const once = await converted(tarOf(SAMPLE), { prioritized: ['text'] })
      const again = await openTar(once.tar, { blob: once.blob })
      assert.equal(again.notes.formatEntries, hasLandmark ? 1 : 0)
      await again.close()
      const twice = await converted(once.tar, { prioritized: ['text'] })
      assert.ok(once.blob.equals(twice.blob))
    })

    it(`of the ${dialect} dialect and an empty layer has a TOC, and a landmark where clients know one`, async () => {
      const made = await converted(Buffer.alloc(0))
      assert.deepEqual(
        made.toc.toc.entries.map(({ name }) => name),
        hasLandmark ? ['.no.prefetch.landmark'] : [],
      )
    })
  }
})

describe('The containers dialect', () => {
  let pool: CompressionPool
  before(() => {
    pool = new CompressionPool({ workers: 1 })
  })
  after(() => pool.close())
  const converted = (tar: Buffer, options: ConvertTarOptions = {}) =>
    convertTar(tar, { dialect: 'containers', level: 3, pool, ...options })

  it('has tar-split data that, with the contents, makes the very same tar', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTar({ unique: true }),
        fc.integer({ min: 1, max: 5000 }),
        async ({ tar }, chunkBytes) => {
          const paths = indexTar(tar).entries.map(({ path }) => path)
          const made = await converted(tar, { chunkBytes, prioritized: paths.slice(0, 2) })
          if (made.toc.frames?.tarSplit === undefined) return
          assert.ok(assembled(await tarSplitLines(made), made.tar).equals(made.tar))
        },
      ),
      { numRuns: 30, endOnFailure: true },
    )
  })

  it('says where each chunk ends, and digests of chunks only where there are several', async () => {
    const { toc } = await converted(
      tarOf([file('two', Buffer.alloc(20, 'x')), file('one', 'y'), file('none')]),
      { chunkBytes: 10 },
    )
    const entries = toc.toc.entries as unknown as Record<string, unknown>[]
    const [two, more, one, none] = entries.map(
      ({ name, type, size, chunkSize, chunkOffset, chunkDigest, digest }) => ({
        name,
        type,
        size,
        chunkSize,
        chunkOffset,
        chunkDigest,
        digest,
      }),
    )
    const half = digestOf('x'.repeat(10))
    const nothing = { size: undefined, chunkSize: undefined, chunkOffset: undefined, chunkDigest: undefined }
    assert.deepEqual(two, {
      ...nothing,
      name: 'two',
      type: 'reg',
      size: 20,
      chunkSize: 10,
      chunkDigest: half,
      digest: digestOf('x'.repeat(20)),
    })
    assert.deepEqual(more, {
      ...nothing,
      name: 'two',
      type: 'chunk',
      chunkSize: 10,
      chunkOffset: 10,
      chunkDigest: half,
      digest: undefined,
    })
    assert.deepEqual(one, { ...nothing, name: 'one', type: 'reg', size: 1, digest: digestOf('y') })
    assert.deepEqual(none, { ...nothing, name: 'none', type: 'reg', digest: digestOf('') })
    const ends = entries.slice(0, 3).map(({ offset, endOffset }) => [offset, endOffset])
    // The file's end is its last chunk's; headers lie in frames between contents.
    assert.equal(ends[0]?.[1], ends[1]?.[1])
    assert.ok((ends[1]?.[1] as number) < (ends[2]?.[0] as number))
  })

  it('tells times to the nanosecond, and those of last access and change', async () => {
    const { toc } = await converted(
      tarOf([
        file('f', 'x', { format: 'pax', mtime: '1500000000.123456789' }),
        file('before', 'x', { format: 'pax', mtime: '-1.5' }),
      ]),
    )
    const modtimes = toc.toc.entries.map(({ modtime }) => modtime)
    assert.deepEqual(modtimes, ['2017-07-14T02:40:00.123456789Z', '1969-12-31T23:59:58.5Z'])
  })

  it('of a layer with a name that JSON cannot hold has no annotations: it is pulled as a whole', async () => {
    const made = await converted(tarOf([file(Buffer.from('caf\xe9', 'latin1'), 'x'), file('other', 'y')]))
    assert.deepEqual(made.annotations, {})
    assert.equal(made.toc.frames?.tarSplit, undefined)
    assert.equal((await verifyContents(readerOf(made.blob), made.toc)).size, 2)
  })

  it('of a layer with devices or pipes has none either: its readers make none of these', async () => {
    for (const item of [fifo('pipe'), device('null', 1, 3)]) {
      assert.deepEqual((await converted(tarOf([item]))).annotations, {})
    }
  })
})

describe('A zstd stream that is written bit by bit', () => {
  it('is one frame, the same for the same pieces', () => {
    const made = [1, 2].map(() => {
      const stream = new ZstdStream(9)
      const pieces = Array.from({ length: 50 }, (_, index) =>
        stream.write(Buffer.from(`line ${index}\n`.repeat(9000))),
      )
      return Buffer.concat([...pieces, stream.end()])
    })
    assert.ok(made[0]?.equals(made[1] as Buffer))
  })
})

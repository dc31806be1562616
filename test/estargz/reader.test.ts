import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { encodeFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import { chunksOf, readChunk, readToc, verifyContents } from '../../optimizer/estargz/reader.ts'
import { type TocEntry, TocError } from '../../optimizer/estargz/toc.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { convertTar, encodeToc, readerOf } from '../helpers/tar-layer.ts'

const TAR = tarOf([file('a', 'content of a'), file('b', 'content of b '.repeat(100))])

/** A blob of a TOC alone. */
function blobOf(member: Buffer, payload: Buffer = gzipSync('payload')): Buffer {
  return Buffer.concat([payload, gzipSync(member), encodeFooter(payload.length)])
}

function tocBlob(entries: TocEntry[]): Buffer {
  return blobOf(Buffer.concat(tocMember([encodeToc(entries)])))
}

const refuses = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof TocError && error.code === code && pattern.test(error.message)

describe('Reading a blob', () => {
  it('gives the TOC, its bytes and its digest', async () => {
    const { blob, tocDigest } = await convertTar(TAR, { prioritized: ['b'] })
    const layer = await readToc(readerOf(blob), blob.length)
    assert.equal(layer?.tocDigest, tocDigest)
    assert.equal(digestOf(layer?.json as Buffer), tocDigest)
    assert.deepEqual(layer?.landmark, { kind: 'prefetch', offset: layer?.toc.entries[1]?.offset, index: 1 })
  })

  it('sees that a plain layer is none', async () => {
    for (const blob of [gzipSync(TAR), TAR, Buffer.alloc(0), Buffer.from('short')]) {
      assert.equal(await readToc(readerOf(blob), blob.length), undefined)
    }
  })

  it('asks for the footer and the TOC alone', async () => {
    const {
      blob,
      toc: { tocOffset },
    } = await convertTar(TAR)
    const asked: [number, number][] = []
    await readToc(async (offset, bytes) => {
      asked.push([offset, bytes])
      return blob.subarray(offset, offset + bytes)
    }, blob.length)
    assert.deepEqual(asked, [
      // As much as the longest footer of any format.
      [blob.length - 64, 64],
      [tocOffset, blob.length - 51 - (tocOffset as number)],
    ])
  })

  for (const [what, blob, pattern] of [
    ['a footer that points past the end', encodeFooter(5000), /offset 5000 in a blob of 51 bytes/],
    [
      'a TOC that is no gzip',
      Buffer.concat([Buffer.from('text'), encodeFooter(0)]),
      /gzip member cannot be read/,
    ],
    ['a TOC that is no tar', blobOf(Buffer.from('text')), /holds no tar entry/],
    [
      'an entry of another name',
      blobOf(tarOf([file('other.json', '{}')])),
      /does not hold a whole stargz\.index\.json/,
    ],
    [
      'a TOC cut short',
      blobOf(Buffer.concat(tocMember([Buffer.alloc(900, ' ')])).subarray(0, 600)),
      /does not hold a whole/,
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(() => readToc(readerOf(blob), blob.length), refuses('TOC_MALFORMED', pattern))
    })
  }

  it('finds a changed chunk', async () => {
    const { blob, toc } = await convertTar(TAR)
    for (const chunk of chunksOf(toc)) {
      const broken = Buffer.from(blob)
      const at = chunk.offset + 10
      broken[at] = (broken[at] as number) ^ 0xff
      await assert.rejects(() => readChunk(readerOf(broken), chunk), refuses('CHUNK_CORRUPT', /the chunk of/))
      await assert.rejects(
        () => verifyContents(readerOf(broken), toc),
        refuses('CHUNK_CORRUPT', /the chunk of/),
      )
    }
  })

  it('finds a file whose digest is another', async () => {
    const { blob, toc } = await convertTar(TAR, { chunkBytes: 1000 })
    const entry = toc.toc.entries.find(({ name }) => name === 'b') as TocEntry
    entry.digest = digestOf('other')
    await assert.rejects(
      () => verifyContents(readerOf(blob), toc),
      refuses('CHUNK_CORRUPT', /^b has sha256:/),
    )
  })

  it('refuses chunks that do not cover their file', async () => {
    const digest = digestOf('x')
    const chunk = { chunkDigest: digest, digest }
    for (const entries of [
      [{ name: 'a', type: 'reg', size: 10, offset: 5, chunkSize: 4, ...chunk }],
      [{ name: 'a', type: 'reg', size: 3, offset: 5, chunkSize: 4, ...chunk }],
      [
        { name: 'a', type: 'reg', size: 10, offset: 5, chunkSize: 4, ...chunk },
        { name: 'a', type: 'chunk', offset: 9, chunkOffset: 5, chunkDigest: digest },
      ],
      [
        { name: 'a', type: 'reg', size: 1, offset: 9, ...chunk },
        { name: 'b', type: 'reg', size: 1, offset: 9, ...chunk },
      ],
    ] as TocEntry[][]) {
      const blob = tocBlob(entries)
      const layer = await readToc(readerOf(blob), blob.length)
      assert.ok(layer)
      assert.throws(() => chunksOf(layer), refuses('CHUNKS_INCONSISTENT', /do not cover it/))
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readToc, verifyContents } from '../../optimizer/estargz/reader.ts'
import { TocError } from '../../optimizer/estargz/toc.ts'
import {
  encodeZstdFooter,
  FOOTER_BYTES,
  type FramePosition,
  parseZstdFooter,
} from '../../optimizer/estargz/zstd-footer.ts'
import { readTarSplit } from '../../optimizer/estargz/zstdchunked-reader.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import fc from '../helpers/property.ts'
import { readerOf } from '../helpers/tar-layer.ts'
import { skippable, zstdFrame } from '../helpers/zstd.ts'

const DIALECTS = ['stargz', 'containers'] as const

/** A blob of one file and its landmark, made frame by frame: what none of our writers made. */
function handmade(
  dialect: 'stargz' | 'containers',
  changes: { toc?: Partial<FramePosition>; json?: Buffer } = {},
) {
  const frames = ['header', '\x0f', 'header of a', 'content of a'].map((text) => zstdFrame(Buffer.from(text)))
  const content = Buffer.concat(frames)
  const [start, mark, header] = frames as [Buffer, Buffer, Buffer]
  const offset = start.length + mark.length + header.length
  const tarSplit = Buffer.from('{"type":2,"payload":"","position":0}\n')
  const compressedTarSplit = zstdFrame(tarSplit)
  const entries = [
    { name: '.prefetch.landmark', type: 'reg', size: 1, offset: start.length, digest: digestOf('\x0f') },
    { name: 'a', type: 'reg', size: 12, offset, endOffset: content.length, digest: digestOf('content of a') },
  ]
  const extra = dialect === 'containers' ? { tarSplitDigest: digestOf(compressedTarSplit) } : {}
  const json = changes.json ?? Buffer.from(JSON.stringify({ version: 1, entries, ...extra }))
  const compressed = zstdFrame(json, 19)
  const toc = {
    offset: content.length + 8,
    compressedBytes: compressed.length,
    uncompressedBytes: json.length,
    ...changes.toc,
  }
  const pieces = [content, skippable(compressed)]
  if (dialect === 'stargz') pieces.push(skippable(encodeZstdFooter({ dialect, toc })))
  else {
    const position = {
      offset: toc.offset + compressed.length + 8,
      compressedBytes: compressedTarSplit.length,
      uncompressedBytes: tarSplit.length,
    }
    pieces.push(
      skippable(compressedTarSplit),
      skippable(encodeZstdFooter({ dialect, toc, tarSplit: position })),
    )
  }
  return { blob: Buffer.concat(pieces), json, compressed, tarSplit, compressedTarSplit, mark: start.length }
}

const refuses = (pattern: RegExp) => (error: unknown) =>
  error instanceof TocError && error.code === 'TOC_MALFORMED' && pattern.test(error.message)

describe('A footer of zstd:chunked', () => {
  const position = fc.record(
    {
      offset: fc.integer({ min: 9, max: Number.MAX_SAFE_INTEGER }),
      compressedBytes: fc.nat(),
      uncompressedBytes: fc.nat(),
    },
    { noNullPrototype: true },
  )

  for (const dialect of DIALECTS) {
    it(`of the ${dialect} dialect has ${FOOTER_BYTES[dialect]} bytes and says what it was told`, () => {
      fc.assert(
        fc.property(position, position, (toc, tarSplit) => {
          const footer = dialect === 'stargz' ? { dialect, toc } : { dialect, toc, tarSplit }
          const bytes = encodeZstdFooter(footer)
          assert.equal(bytes.length, FOOTER_BYTES[dialect])
          assert.deepEqual(parseZstdFooter(Buffer.concat([Buffer.alloc(30), bytes])), footer)
        }),
      )
    })
  }

  it('is none for other bytes, an unknown kind of TOC, or offsets beyond all measure', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        assert.equal(parseZstdFooter(Buffer.from(bytes)), undefined)
      }),
    )
    const toc = { offset: 100, compressedBytes: 10, uncompressedBytes: 20 }
    for (const [index, value] of [
      [24, 2],
      [7, 0x80],
    ] as const) {
      const footer = encodeZstdFooter({ dialect: 'stargz', toc })
      footer[index] = value
      assert.equal(parseZstdFooter(footer), undefined)
    }
  })
})

describe('Reading a zstd:chunked blob', () => {
  for (const dialect of DIALECTS) {
    it(`of the ${dialect} dialect gives its TOC, both digests, its landmark and its contents`, async () => {
      const { blob, json, compressed, mark } = handmade(dialect)
      const layer = await readToc(readerOf(blob), blob.length)
      assert.ok(layer)
      assert.equal(layer.format, dialect === 'stargz' ? 'zstdchunked' : 'zstdchunked-containers')
      assert.ok(layer.json.equals(json))
      assert.equal(layer.tocDigest, digestOf(json))
      assert.equal(layer.frames?.compressedTocDigest, digestOf(compressed))
      assert.deepEqual(layer.landmark, { kind: 'prefetch', offset: mark, index: 0 })
      const digests = await verifyContents(readerOf(blob), layer)
      assert.equal(digests.get('a'), digestOf('content of a'))
    })

    for (const [what, toc, pattern] of [
      ['a TOC that begins too early', { offset: 30 }, /the footer names the offset/],
      ['a TOC that begins before the blob', { offset: 3 }, /the footer names the offset/],
      ['a TOC that is shorter than it says', { uncompressedBytes: 5000 }, /bytes, the footer says 5000/],
      ['a TOC that is longer than it says', { uncompressedBytes: 5 }, /holds more than 5 bytes/],
      ['a TOC that would fill the memory', { uncompressedBytes: 2 ** 31 }, /more than any layer's/],
    ] as const) {
      it(`of the ${dialect} dialect refuses ${what}`, async () => {
        const { blob } = handmade(dialect, { toc })
        await assert.rejects(() => readToc(readerOf(blob), blob.length), refuses(pattern))
      })
    }

    it(`of the ${dialect} dialect finds whatever byte is changed behind the content`, async () => {
      const { blob, mark } = handmade(dialect)
      const sound = await readToc(readerOf(blob), blob.length)
      const from = sound?.contentBytes as number
      const quiet: number[] = []
      for (let at = from; at < blob.length; at++) {
        const broken = Buffer.from(blob)
        broken[at] = (broken[at] as number) ^ 0x55
        const layer = await readToc(readerOf(broken), broken.length).catch(() => undefined)
        const same = layer?.frames?.compressedTocDigest === sound?.frames?.compressedTocDigest
        if (layer !== undefined && same) quiet.push(at)
      }
      // The tar-split data alone has its digest in the TOC: whoever reads it finds a change.
      const tarSplit = sound?.frames?.tarSplit
      assert.ok(quiet.every((at) => tarSplit !== undefined && at >= tarSplit.offset && mark > 0))
    })
  }

  it('gives the tar-split data, and finds a changed byte of it', async () => {
    const { blob, tarSplit, compressedTarSplit } = handmade('containers')
    const position = (await readToc(readerOf(blob), blob.length))?.frames?.tarSplit as FramePosition
    const digest = digestOf(compressedTarSplit)
    assert.ok((await readTarSplit(readerOf(blob), position, digest, 1000)).equals(tarSplit))
    const broken = Buffer.from(blob)
    broken[position.offset + 5] = 0xff
    await assert.rejects(
      () => readTarSplit(readerOf(broken), position, digest, 1000),
      refuses(/the TOC says sha256:/),
    )
    await assert.rejects(
      () => readTarSplit(readerOf(blob), position, digest, 10),
      refuses(/more than any layer/),
    )
  })

  it('refuses a TOC that is no JSON', async () => {
    const { blob } = handmade('stargz', { json: Buffer.from('text') })
    await assert.rejects(() => readToc(readerOf(blob), blob.length), refuses(/not JSON/))
  })
})

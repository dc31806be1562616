/** What would come first, measured: always what a conversion writes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { BlobFormat } from '../../optimizer/estargz/blob-format.ts'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { estargzFormat } from '../../optimizer/estargz/estargz-format.ts'
import { HotZoneMeter } from '../../optimizer/estargz/hot-zone.ts'
import { orderEntries } from '../../optimizer/estargz/prioritize.ts'
import { chunksOf } from '../../optimizer/estargz/reader.ts'
import { zstdChunkedFormat } from '../../optimizer/estargz/zstdchunked-format.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertTarOptions, convertTar, openTar } from '../helpers/tar-layer.ts'

const CHUNK_BYTES = 50_000
const LEVEL = 6
const TAR = tarOf([
  dir('bin/'),
  file('bin/tool', randomBytes(150_000)),
  link('bin/alias', 'bin/tool'),
  file('empty'),
  symlink('sh', 'bin/tool'),
  file('text', 'words '.repeat(30_000)),
  file('small', 'x'),
  file('other', randomBytes(9000)),
])
const ORDERS = [
  [],
  ['text'],
  ['bin'],
  ['empty', 'sh'],
  ['bin/alias', 'small'],
  ['small', 'no/such', 'text', 'bin/tool', 'other', 'empty'],
]
const FORMATS: Record<string, { options: ConvertTarOptions; format: BlobFormat }> = {
  eStargz: format({}),
  'eStargz with small files together': format({ minChunkBytes: 20_000 }),
  'zstd:chunked': format({ dialect: 'stargz' }),
  'zstd:chunked for containers/storage': format({ dialect: 'containers' }),
}

function format(options: ConvertTarOptions): { options: ConvertTarOptions; format: BlobFormat } {
  const { dialect, minChunkBytes = 0 } = options
  const common = { compressionLevel: LEVEL, prefetchCompressionLevel: LEVEL, chunkBytes: CHUNK_BYTES }
  return {
    options: { ...options, chunkBytes: CHUNK_BYTES, level: LEVEL },
    format:
      dialect === undefined
        ? estargzFormat({ ...common, minChunkBytes })
        : zstdChunkedFormat({ dialect, ...common }),
  }
}

describe('A measured hot zone', () => {
  let pool: CompressionPool
  let layer: OpenedLayer
  before(async () => {
    pool = new CompressionPool({ workers: 1 })
    layer = await openTar(TAR)
  })
  after(async () => {
    await pool?.close()
    await layer?.close()
  })

  for (const [name, { options, format }] of Object.entries(FORMATS))
    it(`is that of the conversion to ${name}, one order measured after the other`, async () => {
      const meter = new HotZoneMeter(layer, format, pool)
      for (const prioritized of ORDERS) {
        const zone = await meter.measure(orderEntries(layer.entries, prioritized))
        const made = await convertTar(TAR, { ...options, prioritized, pool })
        assert.equal(zone.bytes, made.hotZoneBytes, `${prioritized}`)
        assert.ok(zone.isWhole)
        const places = [...zone.chunks].flatMap(([{ path }, chunks]) =>
          chunks.map(({ chunkOffset, chunkBytes, offset, innerOffset }) => [
            ...[path, chunkOffset, chunkBytes, offset, innerOffset],
          ]),
        )
        const written = chunksOf(made.toc)
          .filter(({ offset }) => offset < made.hotZoneBytes)
          .map((chunk) => [chunk.name, chunk.chunkOffset, chunk.chunkBytes, chunk.offset, chunk.innerOffset])
        assert.deepEqual(places, written)
        assert.ok(Math.max(0, ...zone.ends.values()) <= zone.bytes)
      }
    })

  it('is not measured to its end where there is more than was asked for', async () => {
    const meter = new HotZoneMeter(layer, (FORMATS.eStargz as { format: BlobFormat }).format, pool)
    const megabyte = Buffer.alloc(1_000_000, 'x')
    // Some batches are always under way.
    const large = await openTar(tarOf(Array.from({ length: 60 }, (_, index) => file(`f${index}`, megabyte))))
    try {
      const paths = large.entries.map(({ path }) => path)
      const ordering = orderEntries(large.entries, paths)
      const of = new HotZoneMeter(large, (FORMATS.eStargz as { format: BlobFormat }).format, pool)
      const zone = await of.measure(ordering, { bytesMax: 2000 })
      assert.equal(zone.isWhole, false)
      assert.ok(zone.bytes > 2000 && zone.ends.has(large.entries[0] as (typeof large.entries)[number]))
      assert.equal(zone.ends.has(large.entries.at(-1) as (typeof large.entries)[number]), false)
    } finally {
      await large.close()
    }
    const { entries } = layer
    await assert.rejects(
      meter.measure(orderEntries(entries, ['text']), { signal: AbortSignal.abort(new Error('stopped')) }),
      /stopped/,
    )
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { isExternalTocFooter } from '../../optimizer/estargz/gzip.ts'
import { verifyContents } from '../../optimizer/estargz/reader.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import fc from '../helpers/property.ts'
import { anyTar } from '../helpers/tar-arbitrary.ts'
import { dir, file, paxHeader, raw, symlink, tarOf } from '../helpers/tar-language.ts'
import { convertTar, indexTar, readerOf } from '../helpers/tar-layer.ts'

const SAMPLE = [
  dir('bin/'),
  file('bin/tool', 'tool '.repeat(900)),
  symlink('sh', 'bin/tool'),
  file('text', 'words'),
]

describe('An eStargz blob with its TOC elsewhere', () => {
  it('is the blob with the TOC inside, without it, and with the footer that says so', async () => {
    const inside = await convertTar(tarOf(SAMPLE), { prioritized: ['text'] })
    const apart = await convertTar(tarOf(SAMPLE), { prioritized: ['text'], externalToc: true })
    const contentBytes = inside.tocOffset as number
    assert.ok(apart.blob.subarray(0, -46).equals(inside.blob.subarray(0, contentBytes)))
    assert.ok(isExternalTocFooter(apart.blob))
    assert.ok(!isExternalTocFooter(inside.blob))
    assert.equal(apart.tocOffset, null)
    assert.equal(apart.tocDigest, inside.tocDigest)
    assert.equal(apart.diffId, digestOf(apart.tar))
  })

  it('has as TOC layer what would have been its last member', async () => {
    const inside = await convertTar(tarOf(SAMPLE))
    const { externalToc } = await convertTar(tarOf(SAMPLE), { externalToc: true })
    assert.ok(externalToc?.bytes.equals(inside.blob.subarray(inside.tocOffset as number, -51)))
    assert.equal(externalToc?.diffId, digestOf(gunzipSync(externalToc?.bytes as Buffer)))
  })

  it('has the footer of 46 bytes that stargz-snapshotter looks for', async () => {
    const { blob } = await convertTar(tarOf(SAMPLE), { externalToc: true })
    const extra = `150053471100${Buffer.from('STARGZEXTERNALTOC').toString('hex')}`
    assert.equal(
      blob.toString('hex', blob.length - 46),
      `1f8b08040000000000ff${extra}010000ffff${'00'.repeat(8)}`,
    )
  })
})

describe('A layer that keeps its diff ID', () => {
  let pool: CompressionPool
  before(() => {
    pool = new CompressionPool({ workers: 2 })
  })
  after(() => pool.close())

  const keep = { externalToc: true, keepDiffId: true }

  it('inflates to the very bytes of its source, and its TOC proves every file', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTar(),
        fc.integer({ min: 1, max: 5000 }),
        fc.constantFrom(0, 700, 40_000),
        async ({ tar }, chunkBytes, minChunkBytes) => {
          fc.pre(indexTar(tar).entries.every(({ replacementHeader }) => replacementHeader === undefined))
          const made = await convertTar(tar, { pool, chunkBytes, minChunkBytes, ...keep }).catch((error) => {
            if (error.code === 'DIFF_ID_NOT_KEPT') return fc.pre(false) as never
            throw error
          })
          assert.ok(made.tar.equals(tar))
          assert.equal(made.diffId, digestOf(tar))
          await verifyContents(readerOf(made.blob), made.toc)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('keeps what no entry tells of: global headers, unknown types, earlier entries, what follows the end', async () => {
    const tar = Buffer.concat([
      tarOf([
        paxHeader('g', [['comment', 'kept']]),
        file('twice', 'earlier '.repeat(300_000)),
        raw('Z', 'odd', 'content'),
        file('twice', 'later'),
      ]),
      Buffer.from('rest'.repeat(1000)),
    ])
    const made = await convertTar(tar, { pool, ...keep })
    assert.ok(made.tar.equals(tar))
    assert.deepEqual(
      made.toc.toc.entries.map(({ name, size }) => [name, size]),
      [['twice', 5]],
    )
  })

  it('refuses what it would have to write anew', async () => {
    const sparse = tarOf([
      paxHeader('x', [
        ['GNU.sparse.major', '0'],
        ['GNU.sparse.minor', '1'],
        ['GNU.sparse.size', '1000'],
        ['GNU.sparse.map', '0,1'],
      ]),
      file('sparse', 'x'),
    ])
    await assert.rejects(convertTar(sparse, { pool, ...keep }), {
      code: 'DIFF_ID_NOT_KEPT',
      message: /sparse file/,
    })
  })
})

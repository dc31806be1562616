import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BlobOutput } from '../../optimizer/estargz/blob-format.ts'
import { landmark } from '../../optimizer/estargz/gzip.ts'
import { DIALECTS, type ZstdChunkedDialect } from '../../optimizer/estargz/zstd-footer.ts'
import { zstdChunkedFormat } from '../../optimizer/estargz/zstdchunked-format.ts'
import { encodeHeader } from '../../optimizer/tar/generate.ts'
import { FLAG } from '../../optimizer/tar/header.ts'

/** The level that a TOC is compressed at whose one entry has so many bytes in its name. */
async function tocLevel(dialect: ZstdChunkedDialect, nameBytes: number, level?: number): Promise<number> {
  const prefetch = level === undefined ? {} : { prefetchCompressionLevel: level }
  const table = zstdChunkedFormat({ dialect, compressionLevel: 3, chunkBytes: 4096, ...prefetch }).begin()
  const name = Buffer.alloc(nameBytes, 'n')
  const replacementHeader = encodeHeader({ flag: FLAG.dir, name, sizeBytes: 0 })
  const entry = { ...landmark(true).entry, type: 'dir', name, sizeBytes: 0, replacementHeader } as const
  const member = { segments: [], bytes: replacementHeader.length, parts: [{ entry }], hot: false }
  table.observe?.(member, replacementHeader)
  table.entry(entry)
  let found = 0
  const output: BlobOutput = {
    offset: 0,
    uncompressedBytes: 0,
    member: async () => {},
    raw: async () => {},
    compressed: async (_, codec) => {
      found = codec.level
      return Buffer.from('compressed')
    },
  }
  await table.end(output)
  return found
}

describe('The TOC of zstd:chunked', () => {
  for (const dialect of DIALECTS) {
    it(`is compressed at the best level while it is small, at what is asked for always (${dialect})`, async () => {
      assert.equal(await tocLevel(dialect, 100), 19)
      assert.equal(await tocLevel(dialect, 5 * 1024 ** 2), 16)
      assert.equal(await tocLevel(dialect, 5 * 1024 ** 2, 19), 19)
      assert.equal(await tocLevel(dialect, 100, 7), 7)
    })
  }
})

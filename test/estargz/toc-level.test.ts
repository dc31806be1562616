import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compressionEngine } from '../../native/compression.ts'
import type { BlobFormat, BlobOutput } from '../../optimizer/estargz/blob-format.ts'
import { estargzFormat } from '../../optimizer/estargz/estargz-format.ts'
import { landmark } from '../../optimizer/estargz/gzip.ts'
import { DIALECTS } from '../../optimizer/estargz/zstd-footer.ts'
import { zstdChunkedFormat } from '../../optimizer/estargz/zstdchunked-format.ts'
import { encodeHeader } from '../../optimizer/tar/generate.ts'
import { FLAG } from '../../optimizer/tar/header.ts'

/** The level that a TOC is compressed at whose one entry has so many bytes in its name. */
async function tocLevel(format: BlobFormat, nameBytes: number): Promise<number> {
  const table = format.begin()
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
    member: async (_, codec) => {
      // The footer of zstd:chunked is a member too, and comes behind.
      found ||= codec.level
    },
    raw: async () => {},
    compressed: async (_, codec) => {
      found = codec.level
      return Buffer.from('compressed')
    },
  }
  await table.end(output)
  return found
}

const MEDIUM = 2 * 1024 ** 2
const LARGE = 5 * 1024 ** 2

describe('The TOC', () => {
  const formats = [
    {
      name: 'eStargz',
      best: compressionEngine().levelMax,
      medium: Math.min(10, compressionEngine().levelMax),
      large: 9,
      make: estargzFormat,
    },
    ...DIALECTS.map((dialect) => ({
      name: `zstd:chunked (${dialect})`,
      best: 19,
      medium: 17,
      large: 16,
      make: (options: Parameters<typeof estargzFormat>[0]) => zstdChunkedFormat({ ...options, dialect }),
    })),
  ]
  for (const { name, best, medium, large, make } of formats) {
    const format = (level?: number) =>
      make({
        compressionLevel: 3,
        chunkBytes: 4096,
        ...(level === undefined ? {} : { prefetchCompressionLevel: level }),
      })
    it(`of ${name} is compressed at the best level while it is small, at what is asked for always`, async () => {
      assert.equal(await tocLevel(format(), 100), best)
      assert.equal(await tocLevel(format(), MEDIUM), medium)
      assert.equal(await tocLevel(format(), LARGE), large)
      assert.equal(await tocLevel(format(best), LARGE), best)
      assert.equal(await tocLevel(format(7), 100), 7)
    })
  }
})

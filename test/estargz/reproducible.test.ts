import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { file, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertTarOptions, convertTar } from '../helpers/tar-layer.ts'

/** Text that looks random and is the same in every run. */
function textOf(seed: number, bytes: number): string {
  let text = ''
  for (let part = 0; text.length < bytes; part++) {
    text += createHash('sha256').update(`${seed} ${part}`).digest('hex')
  }
  return text.slice(0, bytes)
}

const TAR = tarOf([
  file('large', textOf(0, 5_000_000)),
  ...Array.from({ length: 400 }, (_, index) => file(`small-${index}`, textOf(index, (index * 97) % 9000))),
  ...Array.from({ length: 3000 }, (_, index) => symlink(`link-${index}`, 'large')),
  file('last', textOf(1, 300_000)),
])

const FORMATS: Record<string, ConvertTarOptions> = {
  'eStargz by libdeflate or what there is': {},
  'eStargz by zlib': { engine: 'zlib' },
  'eStargz with another level in front': { level: 1, prefetchLevel: 9 },
  'eStargz of shared members': { minChunkBytes: 50_000 },
  'eStargz with its TOC elsewhere': { externalToc: true },
  'zstd:chunked': { dialect: 'stargz' },
  'zstd:chunked with another level in front': { dialect: 'stargz', level: 1, prefetchLevel: 12 },
  "zstd:chunked in the containers' dialect": { dialect: 'containers' },
  'eStargz that keeps its diff ID': { externalToc: true, keepDiffId: true, minChunkBytes: 50_000 },
}

describe('Bytes depend on content and options alone: 1, 2 and 16 threads write the same', () => {
  for (const [name, options] of Object.entries(FORMATS)) {
    it(name, async () => {
      const prioritized = options.keepDiffId ? [] : ['small-7', 'large', 'link-5', 'small-3']
      const convert = (workers: number) =>
        convertTar(TAR, { level: 6, chunkBytes: 700_000, prioritized, ...options, workers })
      const one = await convert(1)
      for (const workers of [2, 16]) {
        const other = await convert(workers)
        assert.equal(other.digest, one.digest)
        assert.ok(other.blob.equals(one.blob))
        assert.deepEqual(other.externalToc, one.externalToc)
      }
    })
  }
})

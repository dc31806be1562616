import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { conversionOptions } from '../../optimizer/commands/conversion-options.ts'

describe('Options of a conversion', () => {
  it('are those of eStargz unless zstd:chunked is asked for', () => {
    assert.equal(conversionOptions({}).format.kind, 'estargz')
    assert.deepEqual(conversionOptions({ zstdchunked: true, 'zstdchunked-chunk-size': '1MiB' }).format, {
      kind: 'zstdchunked',
      dialect: 'stargz',
      compressionLevel: 3,
      prefetchCompressionLevel: 19,
      chunkBytes: 1024 ** 2,
    })
  })

  for (const [option, value] of [
    ['zstdchunked-dialect', 'stargz'],
    ['zstdchunked-compression-level', '3'],
    ['zstdchunked-chunk-size', '4MiB'],
  ] as const) {
    it(`are refused where they would do nothing: --${option} without --zstdchunked`, () => {
      assert.throws(() => conversionOptions({ zstdchunked: false, [option]: value }), {
        code: 'OPTION_CONFLICT',
        message: `--${option} needs --zstdchunked: without it layers are eStargz`,
      })
    })
  }

  for (const [option, value] of [
    ['estargz-compression-level', '6'],
    ['estargz-chunk-size', '4MiB'],
    ['estargz-min-chunk-size', '0'],
    ['estargz-external-toc', true],
    ['compression-engine', 'zlib'],
  ] as const) {
    it(`are refused where they would do nothing: --${option} with --zstdchunked`, () => {
      assert.throws(() => conversionOptions({ zstdchunked: true, [option]: value }), {
        code: 'OPTION_CONFLICT',
        message: `--${option} is for eStargz: leave --zstdchunked out`,
      })
    })
  }
})

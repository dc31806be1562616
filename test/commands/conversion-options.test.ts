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
        code: 'OPTIONS_CONTRADICT',
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
        code: 'OPTIONS_CONTRADICT',
        message: `--${option} is for eStargz: leave --zstdchunked out`,
      })
    })
  }

  const levels = (argv: Record<string, unknown>) => {
    const { format } = conversionOptions({ ...argv })
    if (format.kind === 'uncompressed') throw new Error('no format that compresses')
    return [format.compressionLevel, format.prefetchCompressionLevel]
  }

  for (const [name, engine, max] of [
    ['eStargz by zlib', { 'compression-engine': 'zlib' }, 9],
    ['zstd:chunked', { zstdchunked: true }, 19],
  ] as const) {
    it(`have presets for ${name}: --fast takes the lowest level, but not of what is fetched ahead; --small the best`, () => {
      // Left to the format: its best, for a large TOC less.
      assert.deepEqual(levels({ ...engine, fast: true }), [1, undefined])
      assert.equal(levels(engine)[1], undefined)
      assert.deepEqual(levels({ ...engine, fast: true, 'prefetch-compression-level': '2' }), [1, 2])
      assert.deepEqual(levels({ ...engine, small: true }), [max, max])
    })
  }

  it('refuse presets that contradict each other or a level', () => {
    for (const argv of [
      { fast: true, small: true },
      { fast: true, 'estargz-compression-level': '1' },
      { small: true, zstdchunked: true, 'zstdchunked-compression-level': '19' },
      { small: true, 'prefetch-compression-level': '3' },
    ])
      assert.throws(() => conversionOptions(argv), { code: 'OPTIONS_CONTRADICT' })
  })
})

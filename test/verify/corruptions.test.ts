/**
 * Everything that can be wrong with a converted image, one at a time: each is first shown to be there by gzip, GNU tar,
 * sha256sum or the bytes themselves, and then must be found, named, and nothing else with it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { DIFFERENCE_CODES, type DifferenceCode } from '../../optimizer/verify/difference.ts'
import { verifyImages } from '../../optimizer/verify/verify-images.ts'
import type { TargetFormat } from '../../optimizer/verify/verify-layer.ts'
import { convertedParts, copyOf, type ImageParts, sourceParts, store } from '../helpers/converted-image.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { BLOB_CORRUPTIONS } from './blob-corruptions.ts'
import type { Convert, Corruption } from './corruption.ts'
import { DOCUMENT_CORRUPTIONS } from './document-corruptions.ts'
import { ENTRY_CORRUPTIONS } from './entry-corruptions.ts'
import { EXTERNAL_TOC_CORRUPTIONS } from './external-toc-corruptions.ts'
import { LAYERS, PRIORITIZED } from './sample-layers.ts'
import { TAR_SPLIT_CORRUPTIONS } from './tar-split-corruptions.ts'
import { TOC_CORRUPTIONS } from './toc-corruptions.ts'
import { zstdCorruptions } from './zstd-corruptions.ts'

const ALL: readonly Corruption[] = [
  ...ENTRY_CORRUPTIONS,
  ...TOC_CORRUPTIONS,
  ...BLOB_CORRUPTIONS,
  ...DOCUMENT_CORRUPTIONS,
]

/** Each way of converting, with what can go wrong in it alone or is worth seeing there too. */
const FORMATS: readonly Format[] = [
  { name: 'eStargz', format: 'estargz', corruptions: ALL },
  {
    name: 'eStargz, TOCs in another image',
    format: 'estargz',
    options: { externalToc: true },
    corruptions: EXTERNAL_TOC_CORRUPTIONS,
  },
  {
    name: 'zstd:chunked',
    format: 'zstdchunked',
    options: { dialect: 'stargz' },
    corruptions: zstdCorruptions('stargz'),
  },
  {
    name: 'zstd:chunked for containers/storage',
    format: 'zstdchunked-containers',
    options: { dialect: 'containers' },
    corruptions: [...zstdCorruptions('containers'), ...TAR_SPLIT_CORRUPTIONS],
  },
]

interface Format {
  name: string
  format: TargetFormat
  options?: Parameters<typeof convertedParts>[3]
  corruptions: readonly Corruption[]
}

async function verify(target: ImageParts) {
  const content = new MemoryContentStore()
  const source = store(content, sourceParts(LAYERS))
  const root = store(content, target)
  const tocs = target.tocs === undefined ? null : store(content, target.tocs)
  return await verifyImages({
    source: { name: 'source', root: source, content },
    target: { name: 'target', root, content },
    tocImage: tocs === null ? null : { name: 'tocs', root: tocs },
    platforms: null,
    allPlatforms: true,
    gcLabels: true,
    differencesMax: 100,
  })
}

for (const { name, format, options, corruptions } of FORMATS) {
  describe(`A converted image: ${name}`, () => {
    let pool: CompressionPool
    let sound: ImageParts
    const convert: Convert = (layers) => convertedParts(layers, PRIORITIZED, pool, options)
    before(async () => {
      pool = new CompressionPool({ workers: 1 })
      sound = await convert(LAYERS)
    })
    after(() => pool.close())

    it('is found equal to its source, and what was compared is counted', async () => {
      const verification = await verify(sound)
      assert.deepEqual(verification.differences, [])
      assert.equal(verification.equal, true)
      const [platform] = verification.platforms
      assert.equal(platform?.platform, 'linux/amd64')
      assert.deepEqual(
        platform?.layers.map((layer) => [layer.format, layer.entries]),
        LAYERS.map((items) => [format, items.length]),
      )
      assert.ok(platform?.layers.every(({ toc }) => (toc?.chunks ?? 0) > 0))
      assert.ok((platform?.fileSystem?.files ?? 0) > 10)
    })

    for (const { what, seed, shown, codes, named } of corruptions) {
      it(`is refused for ${what}: ${codes.join(', ')}`, async () => {
        const copy = copyOf(sound)
        const seeded = (await seed(copy, convert)) ?? copy
        assert.notDeepEqual(shown(seeded), shown(sound), 'the corruption is not there')
        const verification = await verify(seeded)
        const found = new Set(verification.differences.map(({ code }) => code))
        assert.deepEqual(
          [...found].sort(),
          [...codes].sort(),
          JSON.stringify(verification.differences, null, 1),
        )
        assert.ok(
          verification.differences.some(({ path, message }) => named.test(`${path ?? ''}: ${message}`)),
          JSON.stringify(verification.differences, null, 1),
        )
      })
    }
  })
}

it('Every code is seeded', () => {
  const seeded = new Set<DifferenceCode>(
    FORMATS.flatMap(({ corruptions }) => corruptions.flatMap(({ codes }) => codes)),
  )
  const all = Object.keys(DIFFERENCE_CODES) as DifferenceCode[]
  assert.deepEqual(
    all.filter((code) => !seeded.has(code)),
    [],
  )
})

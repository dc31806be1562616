/** zstd:chunked blobs of ours, read by programs that are not: zstd with GNU tar, and the library of lazy snapshotters. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { CompressionPool } from '../../optimizer/estargz/compression-pool.ts'
import { verifyContents } from '../../optimizer/estargz/reader.ts'
import { DIALECTS } from '../../optimizer/estargz/zstd-footer.ts'
import { buildGoChecker, checkBlob, skipWithoutGo } from '../helpers/go-checker.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertedTar, convertTar, indexTar, openTar, readerOf } from '../helpers/tar-layer.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const CHUNK_BYTES = 4096
const PLAIN = tarOf([
  dir('usr/'),
  file('usr/large', randomBytes(40_000)),
  file('usr/exact', randomBytes(2 * CHUNK_BYTES)),
  file('usr/one', 'x'),
  link('usr/again', 'usr/large'),
  symlink('usr/sym', 'large'),
  file('usr/empty'),
])
const LAYERS = [PLAIN, ...oddLayers({ containerdOnly: true }).map(({ tar }) => tar)]

async function somePaths(tar: Buffer): Promise<string[]> {
  const layer = await openTar(tar)
  await layer.close()
  return layer.entries.flatMap(({ path }, index) => (index % 3 === 1 ? [path] : [])).reverse()
}

describe('A zstd:chunked blob of ours', () => {
  const pool = new CompressionPool({ workers: 2 })
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
  })
  after(async () => {
    await pool.close()
    rmSync(folder, { recursive: true })
  })

  async function written(tar: Buffer, dialect: (typeof DIALECTS)[number]): Promise<[ConvertedTar, string]> {
    const prioritized = await somePaths(tar)
    const made = await convertTar(tar, {
      dialect,
      level: 3,
      prefetchLevel: 9,
      pool,
      prioritized,
      chunkBytes: CHUNK_BYTES,
    })
    const path = join(folder, 'blob')
    writeFileSync(path, made.blob)
    return [made, path]
  }

  for (const dialect of DIALECTS) {
    it(`of the ${dialect} dialect is a zstd file and a tar to everybody`, {
      skip: skipWithoutCommands('zstd'),
    }, async () => {
      for (const tar of LAYERS) {
        const [made, path] = await written(tar, dialect)
        const content = execFileSync('zstd', ['-dc', path], { maxBuffer: 1024 ** 3 })
        assert.ok(content.equals(made.tar))
        const listed = execFileSync('tar', ['-t', '--quoting-style=literal'], {
          stdio: ['pipe', 'pipe', 'ignore'],
          input: content,
          encoding: 'latin1',
        })
        const names = indexTar(made.tar).entries.map(({ name }) => name.toString('latin1'))
        for (const name of names) assert.ok(listed.includes(name), name)
      }
    })
  }

  it('of the stargz dialect is opened, verified and read by the Go library', {
    skip: skipWithoutGo(),
  }, async () => {
    const program = buildGoChecker()
    for (const tar of LAYERS) {
      const [made, path] = await written(tar, 'stargz')
      const found = new Map(checkBlob(program, path, made.tocDigest).map((entry) => [entry.name, entry]))
      const digests = await verifyContents(readerOf(made.blob), made.toc)
      const files = [...digests].filter(([name]) => !name.includes('\ufffd'))
      assert.ok(files.length > 0)
      for (const [name, digest] of files) {
        const clean = name.replace(/^(\.?\/)+/, '')
        assert.equal(found.get(clean)?.digest ?? digest, digest, name)
      }
      const wrong = `sha256:${'0'.repeat(64)}`
      assert.throws(() => checkBlob(program, path, wrong))
    }
  })
})

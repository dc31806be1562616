import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../optimizer/image/digest.ts'
import {
  GZIP_HELPER_NAMES,
  type GzipHelper,
  GzipHelperError,
  gunzipBy,
  requireGzipHelper,
} from '../../optimizer/tar/gzip-helper.ts'
import { indexLayer } from '../../optimizer/tar/layer.ts'
import { CodedError, EXIT } from '../../shared/errors.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'
import { inPieces } from '../helpers/tar-layer.ts'

const PATH = process.env.PATH ?? ''
const TEXT = Buffer.from('some content, some more content\n'.repeat(9999))
const MEMBERS = Buffer.concat(Array.from({ length: 3000 }, (_, index) => gzipSync(`${index}\n`)))
const CONTENT = Array.from({ length: 3000 }, (_, index) => `${index}\n`).join('')

const isThere = (helper: GzipHelper) => spawnSync(helper, ['--version']).error === undefined

async function unzipped(helper: GzipHelper, blob: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of gunzipBy(helper, inPieces(blob, 1000))) pieces.push(piece)
  return Buffer.concat(pieces)
}

const failed = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GzipHelperError, String(error))
  assert.deepEqual([error.code, error.exitCode], ['GZIP_HELPER_FAILED', EXIT.precondition])
  assert.match(error.message, pattern)
  return true
}

for (const helper of GZIP_HELPER_NAMES) {
  const skip = isThere(helper) ? false : `needs ${helper} on PATH: run bin/setup --test`
  describe(`Decompressing by ${helper}`, { skip: process.env.CI ? false : skip }, () => {
    it('gives what many members hold', async () => {
      requireGzipHelper(helper)
      assert.equal((await unzipped(helper, MEMBERS)).toString(), CONTENT)
    })

    it('ignores what follows the last member and is no member, and reads it all the same', async () => {
      for (const rest of [Buffer.alloc(600), Buffer.from('garbage'), Buffer.alloc(3e6, 'x')]) {
        let readBytes = 0
        async function* counted(): AsyncGenerator<Buffer> {
          for await (const piece of inPieces(Buffer.concat([gzipSync(TEXT), rest]), 64 * 1024)) {
            readBytes += piece.length
            yield piece
          }
        }
        const iterator = counted()
        const source = { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
        const pieces: Buffer[] = []
        for await (const piece of gunzipBy(helper, source)) pieces.push(piece)
        assert.deepEqual(Buffer.concat(pieces), TEXT)
        assert.equal(readBytes, gzipSync(TEXT).length + rest.length)
      }
    })

    it('refuses what is cut off or broken, with the program’s own words', async () => {
      const blob = gzipSync(TEXT)
      await assert.rejects(
        unzipped(helper, blob.subarray(0, blob.length - 20)),
        failed(/ended with status 1 \("/),
      )
      const broken = Buffer.from(blob)
      broken[20] = (broken[20] as number) ^ 0xff
      await assert.rejects(unzipped(helper, broken), failed(/ended with status 1 \("/))
    })
  })
}

describe('A program that decompresses', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
  })
  after(() => rmSync(folder, { recursive: true }))
  afterEach(() => {
    process.env.PATH = PATH
  })

  /** A program of the name `pigz` that does this. */
  function pigz(script: string, mode = 0o755): void {
    const place = mkdtempSync(join(folder, 'bin-'))
    writeFileSync(join(place, 'pigz'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(place, 'pigz'), mode)
    process.env.PATH = `${place}:${PATH}`
  }

  it('is looked for before anything is done', () => {
    process.env.PATH = folder
    assert.throws(
      () => requireGzipHelper('igzip'),
      (error) =>
        error instanceof CodedError &&
        error.code === 'GZIP_HELPER_MISSING' &&
        error.exitCode === EXIT.precondition &&
        /igzip is not on PATH: install it \(Debian: isal\)/.test(error.message),
    )
  })

  it('is tried before anything is done', () => {
    pigz('echo cannot >&2; exit 1')
    assert.throws(() => requireGzipHelper('pigz'), failed(/does not decompress gzip \("cannot"\)/))
    pigz('head -c 5')
    assert.throws(() => requireGzipHelper('pigz'), failed(/does not decompress gzip:/))
  })

  it('may die half-way', async () => {
    pigz('head -c 1000 >/dev/null; echo half; kill -9 $$')
    await assert.rejects(unzipped('pigz', MEMBERS), failed(/^pigz was ended by SIGKILL$/))
  })

  it('may be gone when it is needed', async () => {
    process.env.PATH = join(folder, 'nothing')
    mkdirSync(process.env.PATH)
    await assert.rejects(unzipped('pigz', MEMBERS), failed(/^cannot run pigz: spawn pigz ENOENT$/))
  })

  it('does not make a failing source look sound', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield MEMBERS.subarray(0, 5000)
      throw new Error('the wire is cut')
    }
    await assert.rejects(async () => {
      for await (const _ of gunzipBy('gzip', broken()));
    }, /^Error: the wire is cut$/)
  })

  /** A program that holds a FIFO open as long as it lives. @returns what resolves when nobody has it open any more */
  function living(): Promise<string> {
    const fifo = join(folder, `life-${Math.random()}`)
    spawnSync('mkfifo', [fifo])
    pigz(`exec 9>${fifo}; echo alive >&9; exec gzip "$@"`)
    return text(createReadStream(fifo))
  }
  const large = gzipSync(Buffer.alloc(32 * 1024 * 1024))

  it('is gone when its reader leaves in the middle', async () => {
    const life = living()
    for await (const _ of gunzipBy('pigz', inPieces(large, 1000))) break
    assert.equal(await life, 'alive\n')
  })

  it('ends with a reader that is killed', async () => {
    const life = living()
    const module = new URL('../../optimizer/tar/gzip-helper.js', import.meta.url)
    const script = `import { gunzipBy } from '${module}'
      async function* endless() { for (;;) yield Buffer.from('${large.toString('base64')}', 'base64') }
      for await (const _ of gunzipBy('pigz', endless())) process.stdout.write('.')`
    const reader = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    reader.stdout.once('data', () => reader.kill('SIGKILL'))
    assert.equal(await life, 'alive\n')
  })

  describe('of a layer', () => {
    const tar = tarOf([dir('d/'), file('d/a', 'content of a'), file('b', 'x'.repeat(5000))])
    const blob = gzipSync(tar)
    const layer = (bytes: Buffer, claimed = bytes) => ({
      blob: inPieces(bytes, 100),
      descriptor: { mediaType: 'x', digest: digestOf(claimed), size: claimed.length },
      diffId: digestOf(tar),
    })

    it('gives the same entries as what is built in', async () => {
      assert.deepEqual(
        await indexLayer({ ...layer(blob), gzipHelper: 'gzip' }),
        await indexLayer(layer(blob)),
      )
    })

    it('is not asked for a layer that is no gzip', async () => {
      process.env.PATH = join(folder, 'nothing')
      await indexLayer({ ...layer(tar), gzipHelper: 'pigz' })
    })

    it('is told from a layer that is corrupt: the blob’s digest decides', async () => {
      const cut = blob.subarray(0, 80)
      await assert.rejects(
        indexLayer({ ...layer(cut), gzipHelper: 'gzip' }),
        failed(
          /while it decompressed layer sha256:\w+, whose blob is whole: leave --estargz-gzip-helper out/,
        ),
      )
      const broken = Buffer.from(blob)
      broken.fill(0xff, 30, 50)
      await assert.rejects(
        indexLayer({ ...layer(broken, blob), gzipHelper: 'gzip' }),
        /its digest does not hold/,
      )
    })

    it('is named where it gives something else', async () => {
      pigz('gzip "$@" | tr c C')
      await assert.rejects(
        indexLayer({ ...layer(blob), gzipHelper: 'pigz' }),
        /its diff ID does not hold: the uncompressed tar, as pigz gives it, has/,
      )
    })
  })
})

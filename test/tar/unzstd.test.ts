import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { isZstd, zstdBinding } from '../../native/zstd.ts'
import { TarLimitError } from '../../optimizer/tar/errors.ts'
import { unzstd, ZstdFormatError } from '../../optimizer/tar/unzstd.ts'
import { inPieces } from '../helpers/tar-layer.ts'
import { skippable, zstdFrame, zstdStream } from '../helpers/zstd.ts'

const TEXT = Buffer.from('words that come again and again\n'.repeat(20_000))
const NOISE = randomBytes(700_000)

async function collected(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of unzstd(source)) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('A zstd stream', () => {
  for (const [form, blob, content] of [
    ['one frame', zstdFrame(TEXT), TEXT],
    ['a frame that does not say its size', zstdStream(TEXT), TEXT],
    ['a frame at the highest level', zstdFrame(TEXT, 22), TEXT],
    ['incompressible content', zstdFrame(NOISE), NOISE],
    ['nothing at all', zstdFrame(Buffer.alloc(0)), Buffer.alloc(0)],
    [
      'many frames, and skippable ones before, between and after them',
      Buffer.concat([
        skippable('first'),
        zstdFrame(TEXT.subarray(0, 100)),
        skippable(''),
        zstdStream(TEXT.subarray(100, 300_000)),
        zstdFrame(Buffer.alloc(0)),
        zstdFrame(TEXT.subarray(300_000)),
        skippable(NOISE),
      ]),
      TEXT,
    ],
  ] as const) {
    it(`of ${form} comes out whole, however it is cut`, async () => {
      assert.ok(isZstd(blob))
      for (const pieceBytes of [7, 4096, blob.length]) {
        if (blob.length / pieceBytes > 20_000) continue
        assert.ok((await collected(inPieces(blob, pieceBytes))).equals(content))
      }
    })
  }

  it('that ends too early says so, wherever it ends', async () => {
    const blob = Buffer.concat([zstdFrame(TEXT), zstdFrame(NOISE)])
    for (const bytes of [1, 3, 5, 60, zstdFrame(TEXT).length + 2, blob.length - 1]) {
      await assert.rejects(
        collected(inPieces(blob.subarray(0, bytes), 1000)),
        (error) => error instanceof ZstdFormatError && /ends inside a frame/.test(error.message),
      )
    }
  })

  it('with other bytes behind, or with changed ones, is refused', async () => {
    const changed = Buffer.from(zstdFrame(NOISE))
    changed[500] = (changed[500] as number) ^ 1
    for (const blob of [Buffer.concat([zstdFrame(TEXT), Buffer.from('something else')]), changed]) {
      await assert.rejects(collected(inPieces(blob, 1000)), ZstdFormatError)
    }
  })

  it('that needs more than 128 MiB of memory is refused as beyond a limit', async () => {
    const header = (windowLog: number) =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 1, 0, 0])
    assert.equal((await collected(inPieces(header(27)))).length, 0)
    await assert.rejects(
      collected(inPieces(header(28))),
      (error) => error instanceof TarLimitError && /window of more than 128 MiB/.test(error.message),
    )
  })

  it('that swells to a gigabyte passes through little memory, and stops when nobody reads on', async () => {
    const block = zstdFrame(Buffer.alloc(64 * 1024 * 1024))
    const bomb = Buffer.concat(Array.from({ length: 16 }, () => block))
    const before = process.memoryUsage().arrayBuffers
    let bytes = 0
    for await (const piece of unzstd(inPieces(bomb))) {
      bytes += piece.length
      if (bytes >= 128 * 1024 * 1024) break
      // What the collector has not seen yet counts too: pieces of 128 KiB, a few at a time.
      assert.ok(process.memoryUsage().arrayBuffers - before < 100 * 1024 * 1024)
    }
    assert.equal(bytes, 128 * 1024 * 1024)
  })

  it("fails as its source fails, and with a consumer's own error", async () => {
    async function* failing() {
      yield zstdFrame(TEXT).subarray(0, 50)
      throw new Error('the store is gone')
    }
    await assert.rejects(collected(failing()), /the store is gone/)
    const consume = async () => {
      for await (const _ of unzstd(inPieces(zstdFrame(NOISE)))) throw new Error('no more')
    }
    await assert.rejects(consume, /no more/)
  })

  it('is made by the library that the package builds: 1.5', () => {
    assert.match(zstdBinding().versionString(), /^1\.5\./)
  })
})

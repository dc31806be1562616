import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { GzipFormatError, gunzip } from '../../optimizer/tar/gunzip.ts'
import fc from '../helpers/property.ts'
import { inPieces } from '../helpers/tar-layer.ts'

async function unzipped(blob: Buffer, pieceBytes = 64 * 1024): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of gunzip(inPieces(blob, pieceBytes))) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function refused(blob: Buffer, pattern: RegExp): Promise<void> {
  await assert.rejects(
    () => unzipped(blob),
    (error) => error instanceof GzipFormatError && pattern.test(error.message),
  )
}

const TEXT = Buffer.from('some content, some more content\n'.repeat(1000))

describe('Gunzip', () => {
  it('gives back what one or many members hold, whatever pieces they come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        async (contents, pieceBytes) => {
          const blob = Buffer.concat(contents.map((content) => gzipSync(content)))
          assert.deepEqual(await unzipped(blob, pieceBytes), Buffer.concat(contents))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('reads thousands of members', async () => {
    const members = Array.from({ length: 5000 }, (_, index) => gzipSync(`${index}\n`, { level: 1 }))
    const content = Array.from({ length: 5000 }, (_, index) => `${index}\n`).join('')
    assert.equal((await unzipped(Buffer.concat(members))).toString(), content)
  })

  it('reads a header with every optional field, cut anywhere', async () => {
    const plain = gzipSync(TEXT)
    const header = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3]),
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from('name\0comment\0'),
      Buffer.from([0xaa, 0xbb]),
    ])
    const blob = Buffer.concat([header, plain.subarray(10)])
    for (let pieceBytes = 1; pieceBytes < 40; pieceBytes++)
      assert.deepEqual(await unzipped(blob, pieceBytes), TEXT)
  })

  for (const count of [1, 2, 3]) {
    const members = Buffer.concat(Array(count).fill(gzipSync(TEXT)))
    const content = Buffer.concat(Array(count).fill(TEXT))

    it(`takes zeros behind ${count} of them for padding, as gzip does`, async () => {
      for (const zeros of [1, 512, 100_000])
        for (const pieceBytes of [7, 64 * 1024])
          assert.deepEqual(await unzipped(Buffer.concat([members, Buffer.alloc(zeros)]), pieceBytes), content)
    })

    it(`refuses any other bytes behind ${count} of them, also behind zeros`, async () => {
      const later = gzipSync('later').toString('latin1')
      for (const rest of ['garbage', 'x', '\x1f', '\0x', `\0\0${later}`, '\x1f\x8b', '\x1f\x8bgarbage']) {
        for (const pieceBytes of [7, 64 * 1024]) {
          const blob = Buffer.concat([members, Buffer.from(rest, 'latin1')])
          await assert.rejects(() => unzipped(blob, pieceBytes), GzipFormatError, JSON.stringify(rest))
        }
      }
    })
  }

  it('refuses a stream that is cut off anywhere', async () => {
    const blob = gzipSync('hello hello hello')
    for (let end = 1; end < blob.length; end++)
      await refused(blob.subarray(0, end), /it ends inside a (header|member)/)
    const two = Buffer.concat([gzipSync('a'), blob])
    await refused(two.subarray(0, two.length - 3), /it ends inside a member/)
  })

  it('refuses what is no gzip', async () => {
    await refused(Buffer.from('this is just text'), /does not begin with a gzip header/)
    await refused(Buffer.alloc(0), /it ends inside a header/)
  })

  it('refuses broken deflate data', async () => {
    const blob = gzipSync(TEXT)
    blob[10] = 0b111 // last block, of the type that there is not
    await refused(blob, /invalid block type/)
  })

  it('refuses a broken later member', async () => {
    const later = gzipSync(TEXT)
    later[10] = 0b111
    await refused(Buffer.concat([gzipSync('a'), later]), /invalid block type/)
  })

  it('refuses a member that is shorter or longer than it says', async () => {
    const blob = gzipSync(TEXT)
    blob.writeUInt32LE(TEXT.length - 1, blob.length - 4)
    await refused(blob, /member holds 32000 bytes but says 31999/)
  })

  it('refuses a name in the header that never ends', async () => {
    await refused(
      Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]), Buffer.alloc(400_000, 'n')]),
      /header is too long/,
    )
  })

  it('passes on what its source throws', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield gzipSync(TEXT).subarray(0, 50)
      throw new Error('the wire is cut')
    }
    await assert.rejects(async () => {
      for await (const _ of gunzip(broken()));
    }, /the wire is cut/)
  })

  it('lets its reader leave in the middle', async () => {
    const large = gzipSync(Buffer.alloc(8 * 1024 * 1024))
    for await (const piece of gunzip(inPieces(large, 1000))) {
      assert.ok(piece.length > 0)
      break
    }
  })
})

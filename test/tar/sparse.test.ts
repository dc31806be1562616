import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { TarFormatError } from '../../optimizer/tar/errors.ts'
import { file, raw, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { convertTar, indexTar } from '../helpers/tar-layer.ts'

const KIB = 1024

/** Holes at both ends and between: more runs than a GNU header and one extension block hold. */
function sparseContent(runs: number): Buffer {
  const content = Buffer.alloc((2 * runs + 1) * 8 * KIB)
  for (let run = 0; run < runs; run++)
    content.fill(run + 1, (2 * run + 1) * 8 * KIB, (2 * run + 1) * 8 * KIB + 4 * KIB)
  return content
}

function gnuSparse(
  runs: [number, number][],
  content: string,
  realSize: number,
  patch = (_: Buffer) => {},
): TarItem {
  return raw('S', 'sparse', content, {
    format: 'gnu',
    patch(block) {
      for (const [index, [offset, bytes]] of runs.entries()) {
        block.write(`${offset.toString(8).padStart(11, '0')}\0`, 386 + 24 * index, 'latin1')
        block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 398 + 24 * index, 'latin1')
      }
      block.write(`${realSize.toString(8).padStart(11, '0')}\0`, 483, 'latin1')
      patch(block)
    },
  })
}

function refused(items: TarItem[], pattern: RegExp): void {
  assert.throws(
    () => indexTar(tarOf(items)),
    (error) => error instanceof TarFormatError && pattern.test(error.message),
  )
}

describe('A sparse file', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const LONG_NAME = `${'s'.repeat(90)}/${'name'.repeat(20)}`

  function gnuTar(content: Buffer, name: string, options: string[]): Buffer {
    const source = join(folder, 'content')
    writeFileSync(source, '')
    truncateSync(source, content.length)
    // Written run by run, so that the holes stay holes.
    execFileSync('dd', ['conv=sparse,notrunc', 'bs=4k', `of=${source}`], {
      input: content,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    return execFileSync(
      'tar',
      [
        '--create',
        '--sparse',
        '--hole-detection=raw',
        ...options,
        `--transform=s,.*,${name},`,
        '-C',
        folder,
        'content',
      ],
      { maxBuffer: 1024 ** 3 },
    )
  }

  for (const [form, options] of [
    ['of GNU type S', ['--format=gnu']],
    ['of pax form 0.0', ['--format=pax', '--sparse-version=0.0']],
    ['of pax form 0.1', ['--format=pax', '--sparse-version=0.1']],
    ['of pax form 1.0', ['--format=pax', '--sparse-version=1.0']],
  ] as const) {
    for (const [what, runs, name] of [
      ['', 3, 'short'],
      [' with hundreds of runs', 300, 'short'],
      [' with a long name', 2, LONG_NAME],
      [' without any data', 0, 'short'],
    ] as const) {
      it(`${form}${what}, written by GNU tar, becomes a regular file of the same content`, async () => {
        const content = sparseContent(runs)
        const tar = gnuTar(content, name, [...options])
        const { entries, notes } = indexTar(tar)
        assert.equal(notes.sparseEntries, 1)
        assert.ok((entries[0]?.payloadBytes as number) < content.length, 'GNU tar found no holes')

        const converted = await convertTar(tar, { chunkBytes: 100_000 })
        writeFileSync(join(folder, 'converted.tar'), converted.tar)
        const listing = execFileSync('tar', ['-tvf', join(folder, 'converted.tar'), name]).toString()
        assert.match(listing, new RegExp(`^-.* ${content.length} .* ${name}$`, 'm'))
        const extracted = execFileSync('tar', ['-xOf', join(folder, 'converted.tar'), name], {
          maxBuffer: 1024 ** 3,
        })
        assert.ok(extracted.equals(content))
        assert.doesNotMatch(converted.tar.toString('latin1'), /GNU\.sparse/)
      })
    }
  }

  it('keeps its other pax records', () => {
    const [entry] = indexTar(
      tarOf([
        file('GNUSparseFile.1/a', 'data', {
          format: 'pax',
          mtime: '5.25',
          xattrs: { 'user.a': 'b' },
          records: [
            ['GNU.sparse.name', 'a'],
            ['GNU.sparse.map', '2,4'],
            ['GNU.sparse.size', '10'],
          ],
        }),
      ]),
    ).entries
    const again = indexTar(Buffer.concat([entry?.replacementHeader as Buffer, Buffer.alloc(512)])).entries[0]
    assert.equal(again?.path, 'a')
    assert.equal(again?.sizeBytes, 10)
    assert.equal(again?.mtimeNanoseconds, 5_250_000_000n)
    assert.deepEqual(again?.xattrs, [{ name: 'user.a', value: Buffer.from('b') }])
  })

  it('of a size beyond octal digits gets a pax record for it', () => {
    const realSize = 2 ** 33 + 5
    const [entry] = indexTar(tarOf([gnuSparse([[0, 4]], 'data', realSize)])).entries
    assert.equal(entry?.sizeBytes, realSize)
    assert.match(entry?.replacementHeader?.toString('latin1') as string, / size=8589934597\n/)
  })

  it('is refused when its runs overlap', () =>
    refused(
      [
        gnuSparse(
          [
            [0, 4],
            [2, 4],
          ],
          'datadata',
          10,
        ),
      ],
      /overlap/,
    ))
  it('is refused when its runs leave the file', () =>
    refused([gnuSparse([[8, 4]], 'data', 10)], /longer than its size/))
  it('is refused when its runs are not what is stored', () =>
    refused([gnuSparse([[0, 3]], 'data', 10)], /maps 3 bytes but stores 4/))
  it('is refused when its map ends in the dark', () => {
    refused(
      [
        raw('0', 'a', '3\n1\n', {
          format: 'pax',
          records: [
            ['GNU.sparse.major', '1'],
            ['GNU.sparse.minor', '0'],
            ['GNU.sparse.realsize', '9'],
          ],
        }),
      ],
      /map is longer than its file|ends inside/,
    )
  })
  it('is refused in an unknown form', () => {
    refused(
      [
        file('a', 'x', {
          format: 'pax',
          records: [
            ['GNU.sparse.major', '2'],
            ['GNU.sparse.realsize', '1'],
          ],
        }),
      ],
      /sparse format 2\.0 is unknown/,
    )
  })
  it('is refused when its map is no numbers', () => {
    const records: [string, string][] = [
      ['GNU.sparse.map', '0,x'],
      ['GNU.sparse.size', '9'],
    ]
    refused([file('a', 'x', { format: 'pax', records })], /holds no number/)
  })
  it('of holes beyond all measure makes the layer one that is refused', () => {
    assert.throws(
      () =>
        indexTar(
          tarOf(
            [gnuSparse([], '', 8 ** 11 - 1), gnuSparse([], '', 8 ** 12 / 16)].flatMap(
              (x) => Array(9).fill(x) as TarItem[],
            ),
          ),
        ),
      /bytes of holes/,
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FileAccess, FileAnalysis } from '../../optimizer/plan/analysis.ts'
import { largestDirectories, largestFiles } from '../../optimizer/plan/largest.ts'
import { directoryTree, sumsOf } from '../../optimizer/plan/sums.ts'
import { percent, type WeighedImage, warningsOf } from '../../optimizer/plan/warnings.ts'
import { sampleRecord } from '../helpers/sample-record.ts'

const MIB = 1024 ** 2

function file(path: string, sizeBytes: number, change: Partial<FileAnalysis> = {}): FileAnalysis {
  return {
    path,
    sizeBytes,
    hot: true,
    links: [],
    chunks: null,
    compressedBytes: null,
    access: null,
    ...change,
  }
}

const access = (evidence: FileAccess['evidence']): FileAccess => ({
  record: 0,
  line: 2,
  rank: 0,
  phase: 'run',
  kinds: ['open'],
  evidence,
  firstAccessMicroseconds: 1,
  pid: 1,
  process: 'x',
  probe: false,
  workload: null,
})

function image(
  files: FileAnalysis[],
  hotZoneBytes: number,
  change: Partial<WeighedImage> = {},
): WeighedImage {
  const sums = sumsOf({ sizeBytes: 100 * MIB, hotZoneBytes }, files)
  const layers = [{ index: 0, format: 'gzip' as const, tocBytes: null, files }]
  return { kind: 'planned', records: [], leftOut: [], layers, sums, ...change }
}

const codes = (of: WeighedImage) =>
  warningsOf(of).map(({ code, path }) => (path === null ? code : `${code} ${path}`))

describe('A plan warns of', () => {
  it('nothing where little comes first', () => {
    assert.deepEqual(codes(image([file('a', MIB), file('b', 9 * MIB, { hot: false })], MIB)), [])
  })

  it('a large file of which nobody knows how much was read', () => {
    assert.deepEqual(codes(image([file('a', MIB), file('usr/big', 2048 * MIB)], 20 * MIB)), [
      'LARGE_FILE usr/big',
    ])
    const [warning] = warningsOf(image([file('usr/big', 2048 * MIB)], 20 * MIB))
    assert.match(warning?.message ?? '', /^\/usr\/big is 2\.0 GiB, 100 % .* --exclude it/)
    assert.deepEqual(
      codes(
        image(
          Array.from({ length: 9 }, (_, i) => file(`${i}`, 9 * MIB)),
          9 * MIB,
        ),
      ),
      [],
    )
  })

  it('a file by a name that makes no line of its own', () => {
    const [warning] = warningsOf(image([file('x\nwarning: all is well', 2048 * MIB)], 20 * MIB))
    assert.match(warning?.message ?? '', /^\/x\\nwarning: all is well is 2\.0 GiB/)
    assert.equal(warning?.path, 'x\nwarning: all is well')
  })

  it('a hot zone of more than a third of the image', () => {
    assert.deepEqual(codes(image([file('a', MIB)], 33 * MIB)), [])
    assert.deepEqual(codes(image([file('a', MIB)], 34 * MIB)), ['LARGE_HOT_ZONE'])
  })

  it('an incomplete record, with the reason', () => {
    const { header } = sampleRecord([], { complete: false, incompleteReasons: ['2 overflows'] })
    const [warning] = warningsOf(image([], 0, { records: [{ file: 'r.jsonl', header, files: 0 }] }))
    assert.equal(warning?.code, 'RECORD_INCOMPLETE')
    assert.match(warning?.message ?? '', /r\.jsonl .*2 overflows/)
  })

  it('files that were opened and not read', () => {
    const files = [file('a', 5, { access: access('opened') }), file('b', 5, { access: access('used') })]
    assert.deepEqual(codes(image(files, 1)), ['OPENED_NOT_READ'])
    assert.deepEqual(codes(image([file('a', 5, { access: access('unknown') })], 1)), [])
  })

  it('what a budget has cut', () => {
    const leftOut = [{ path: 'late', layerIndex: 0, sizeBytes: 5, reason: 'budget' as const }]
    assert.deepEqual(codes(image([], 0, { leftOut })), ['BUDGET_CUT late'])
  })

  it('an image that is not optimized, when it is a finished one', () => {
    assert.deepEqual(codes(image([], 0, { kind: 'finished' })), ['NOT_OPTIMIZED'])
  })
})

describe('Folders', () => {
  const files = [
    file('usr/lib/a.so', 40),
    file('usr/lib/b.so', 30, { hot: false, access: access('used') }),
    file('usr/bin/sh', 10),
    file('usr/lib/python/os.py', 15),
    file('etc/motd', 1),
    file('top', 4),
  ]

  it('have the sums of all below them', () => {
    const root = directoryTree(files)
    const usr = root.directories[0]
    assert.deepEqual(
      [root.files, root.contentBytes, root.hotFiles, root.hotContentBytes, root.readContentBytes],
      [6, 100, 5, 70, 30],
    )
    assert.deepEqual([usr?.path, usr?.files, usr?.contentBytes], ['usr', 4, 95])
    assert.deepEqual(
      usr?.directories.map(({ path, contentBytes }) => [path, contentBytes]),
      [
        ['usr/lib', 85],
        ['usr/bin', 10],
      ],
    )
    assert.deepEqual(
      root.ownFiles.map(({ path }) => path),
      ['top'],
    )
  })

  it('that hold most of what comes first are named, none within another', () => {
    assert.deepEqual(
      largestDirectories(files, 3).map(({ path, hotFiles, hotContentBytes }) => [
        path,
        hotFiles,
        hotContentBytes,
      ]),
      [
        ['usr/lib', 1, 40],
        ['usr/lib/python', 1, 15],
        ['usr/bin', 1, 10],
      ],
    )
    assert.deepEqual(
      largestFiles([{ index: 3, files }], 2).map(({ path, layerIndex }) => [path, layerIndex]),
      [
        ['usr/lib/a.so', 3],
        ['usr/lib/python/os.py', 3],
      ],
    )
  })

  it('are parted in percent', () => {
    assert.deepEqual(
      [percent(1, 3), percent(0, 3), percent(1, 100), percent(1, 0), percent(2999, 3000), percent(3, 3)],
      ['33 %', '0 %', '1.0 %', '0 %', '99.9 %', '100 %'],
    )
  })
})

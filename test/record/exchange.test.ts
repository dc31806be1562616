/** Records in the words of other programs, and records of what others have seen. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listedFiles, parsePrefetchList } from '../../optimizer/order/prefetch-list.ts'
import { readRecord } from '../../optimizer/order/record-file.ts'
import { exportRecord } from '../../optimizer/record/export-record.ts'
import { ForeignFormatError } from '../../optimizer/record/foreign-access.ts'
import { importRecord } from '../../optimizer/record/import-record.ts'
import { parseStargzLog } from '../../optimizer/record/import-stargz-log.ts'
import { parseStrace } from '../../optimizer/record/import-strace.ts'
import { LayerIndex } from '../../optimizer/record/layer-index.ts'
import { formatRecord, parseRecord } from '../../shared/record.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const MANIFEST = `sha256:${'a'.repeat(64)}`
const RECORD = sampleRecord([
  recordEntry('bin/sh', { phase: 'create', manifestDigest: MANIFEST }),
  recordEntry('#odd', { layerIndex: 1, manifestDigest: MANIFEST }),
  recordEntry('bin/sh', { manifestDigest: MANIFEST }),
  recordEntry('two\nlines', { manifestDigest: MANIFEST }),
  recordEntry('bin/sh', { layerIndex: 1, manifestDigest: MANIFEST }),
  { ...recordEntry('x', { manifestDigest: MANIFEST }), path: Buffer.from('caf\xe9', 'latin1') },
])

describe('A record is written', () => {
  it('for nydus: JSON of version v1, absolute paths, whole files', () => {
    const { text, leftOut, files } = exportRecord(RECORD, 'nydus')
    assert.deepEqual(JSON.parse(text), {
      version: 'v1',
      files: ['/bin/sh', '/#odd', '/two\nlines'].map((path) => ({ path, ranges: null })),
    })
    assert.deepEqual([files, leftOut], [3, ['caf\ufffd']])
  })

  it('for SOCI: a JSON array of paths, whose ends its reader trims', () => {
    const { text, leftOut } = exportRecord(RECORD, 'soci')
    assert.deepEqual(JSON.parse(text), ['/bin/sh', '/#odd', '/two\nlines'])
    assert.deepEqual(leftOut, ['caf\ufffd'])
    const blank = sampleRecord([recordEntry('end '), recordEntry('in side')])
    assert.deepEqual(JSON.parse(exportRecord(blank, 'soci').text), ['/in side'])
  })

  it('for overlaybd: a path a line, of the few characters that its reader takes', () => {
    const { text, leftOut, cut } = exportRecord(RECORD, 'overlaybd')
    assert.deepEqual([text, leftOut, cut], ['/bin/sh\n', ['#odd', 'two\nlines', 'caf\ufffd'], 0])
    const names = ['usr/lib/libstdc++.so.6', 'a b', 'usr/lib/lib_x-1.0.so', 'a@b']
    const others = exportRecord(sampleRecord(names.map((name) => recordEntry(name))), 'overlaybd')
    assert.equal(others.text, '/usr/lib/lib_x-1.0.so\n')
  })

  it('for overlaybd in no more bytes than its reader takes: what was read first', () => {
    const path = (index: number) => `usr/lib/${String(index).padStart(7, '0')}`
    const record = sampleRecord(Array.from({ length: 5000 }, (_, index) => recordEntry(path(index))))
    const { text, files, leftOut, cut } = exportRecord(record, 'overlaybd')
    // 17 bytes a line.
    assert.deepEqual([Buffer.byteLength(text), files, cut], [65_535, 3855, 1145])
    assert.deepEqual([leftOut.length, leftOut[0]], [1145, path(3855)])
    assert.equal(exportRecord(record, 'list').cut, 0)
  })

  it('as the original writes it, which we read as well', () => {
    const { text } = exportRecord(RECORD, 'original')
    assert.equal(text.split('\n')[0], `{"path":"bin/sh","manifestDigest":"${MANIFEST}","layerIndex":0}`)
    assert.deepEqual(
      readRecord(text).entries.map(({ path, layerIndex }) => [path, layerIndex]),
      [
        ['bin/sh', 0],
        ['#odd', 1],
        ['two\nlines', 0],
        ['bin/sh', 1],
      ],
    )
  })

  it('as a list by hand, which means the same files', () => {
    const { text } = exportRecord(RECORD, 'list')
    assert.equal(text, 'bin/sh\n\\#odd\n')
    const index = new LayerIndex([indexTar(tarOf([file('bin/sh'), file('#odd')])).entries])
    assert.deepEqual(
      listedFiles(parsePrefetchList(text), index, 1).wanted.map(({ path }) => path),
      ['bin/sh', '#odd'],
    )
  })
})

describe('A log of strace', () => {
  const seen = (text: string) =>
    parseStrace(text).accesses.map(({ path, kind, microseconds, pid }) => [path, kind, microseconds, pid])

  it('of several processes with times of the epoch and resolved paths (-f -ttt -y -o)', () => {
    const log = [
      '14704 1795670876.170195 execve("/usr/bin/sh", ["sh", "-c", "cat \\"a\\""...], 0x7ffdbfc8b318 /* 39 vars */) = 0',
      '14704 1795670876.174867 openat(AT_FDCWD</tmp>, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3</usr/lib/libc.so.6>',
      '14704 1795670876.189131 openat(AT_FDCWD</tmp>, "/usr/lib/locale-archive", O_RDONLY) = -1 ENOENT (No such file or directory)',
      '14705 1795670876.270195 openat(AT_FDCWD</tmp>, "made", O_RDONLY) = 4</tmp/made>',
      '14705 1795670876.270196 read(4</tmp/made>, "x"..., 10) = 10',
      '14705 1795670876.270197 +++ exited with 0 +++',
    ].join('\n')
    assert.deepEqual(seen(log), [
      ['usr/bin/sh', 'exec', 0, 14704],
      ['usr/lib/libc.so.6', 'open', 4672, 14704],
      ['tmp/made', 'open', 100_000, 14705],
    ])
    const { started, accesses } = parseStrace(log)
    assert.equal(started?.toISOString(), '2026-11-26T05:27:56.170Z')
    assert.deepEqual(
      accesses.map(({ command }) => command),
      ['sh', 'sh', null],
    )
  })

  it('as it is shown, with calls that were interrupted, over midnight (-f -t)', () => {
    const log = [
      'execve("/usr/bin/sh", ["sh"], 0x558b /* 39 vars */) = 0',
      '[pid 14741] 23:59:59 execve("/usr/bin/cat", ["cat", "/etc/hostname"], 0x558b3d938bc8 /* 39 vars */ <unfinished ...>',
      '[pid 14740] 23:59:59 openat(AT_FDCWD, "/etc/a", O_RDONLY <unfinished ...>',
      '[pid 14741] 23:59:59 <... execve resumed>) = 0',
      '[pid 14740] 00:00:01 <... openat resumed>) = 3',
    ].join('\n')
    assert.deepEqual(seen(log), [
      ['usr/bin/sh', 'exec', 0, 0],
      ['usr/bin/cat', 'exec', 0, 14741],
      ['etc/a', 'open', 2_000_000, 14740],
    ])
  })

  it('with times since the line before, calls of other kinds, and bytes of any kind in names (-r -T)', () => {
    const log = [
      '     0.000000 open("/caf\\351\\n\\"", O_RDONLY) = 3 <0.000012>',
      '     0.500000 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)',
      '     0.250000 openat2(3, "relative", {flags=O_RDONLY}, 24) = 4',
      '     0.250000 execveat(3</opt>, "tool", ["tool"], 0x1 /* 2 vars */, 0) = 0',
    ].join('\n')
    assert.deepEqual(seen(log), [
      ['caf\xe9\n"', 'open', 0, 0],
      ['opt/tool', 'exec', 1_000_000, 0],
    ])
    assert.equal(parseStrace(log).unresolved, 1)
  })

  it('is told from other files', () => {
    assert.throws(() => parseStrace('{"path":"a"}\nhello\n'), ForeignFormatError)
  })
})

describe('A snapshotter’s log', () => {
  it('in JSON or in key=value, among whatever else is in it', () => {
    const log = [
      '{"level":"debug","msg":"other","time":"2026-01-01T00:00:00.000000000Z"}',
      '{"layer":"sha256:b","level":"debug","mode":"0755","msg":"file accessed: /usr/bin/\\u00e9","size":5,"time":"2026-01-01T00:00:01.000000000Z"}',
      'time="2026-01-01T00:00:01.500000000Z" level=debug msg="file accessed: /etc/a \\"b\\"" layer="sha256:c" size=1',
      'noise',
    ].join('\n')
    assert.deepEqual(
      parseStargzLog(log).accesses.map(({ path, place, microseconds }) => [path, place, microseconds]),
      [
        [Buffer.from('usr/bin/é').toString('latin1'), { layerDigest: 'sha256:b' }, 0],
        ['etc/a "b"', { layerDigest: 'sha256:c' }, 500_000],
      ],
    )
    assert.throws(() => parseStargzLog('noise\n'), ForeignFormatError)
  })
})

describe('What others have seen becomes a record', () => {
  const target = {
    image: { reference: 'a', manifestDigest: MANIFEST, platform: 'linux/amd64' },
    layers: [
      {
        digest: 'sha256:low',
        entries: indexTar(
          tarOf([dir('usr/'), file('usr/sh', 'xx'), symlink('bin', 'usr'), file('motd', 'o')]),
        ).entries,
      },
      {
        digest: 'sha256:high',
        entries: indexTar(tarOf([file('motd', 'new'), link('hello', 'motd')])).entries,
      },
    ],
    recordedBy: 'test 1.0',
    from: 'a test',
  }
  const access = { place: null, kind: 'open' as const, microseconds: 0, pid: 3, command: 'sh' }

  it('of the files of an image, where a container finds them or where they are said to be', () => {
    const accesses = [
      { ...access, path: 'bin/sh', kind: 'exec' as const },
      { ...access, path: 'usr/sh', microseconds: 5 },
      { ...access, path: 'motd', place: { layerDigest: 'sha256:low' } },
      { ...access, path: 'motd', place: { layerDigest: 'sha256:elsewhere' }, microseconds: 1_500_000 },
      { ...access, path: 'hello', place: { layerIndex: 1 } },
      { ...access, path: 'usr' },
      { ...access, path: 'proc/1/stat' },
    ]
    const record = importRecord({ accesses, started: null, unresolved: 1 }, target)
    assert.deepEqual(
      record.entries.map(({ path, layerIndex, kinds, layerDigest }) => [
        String(path),
        layerIndex,
        kinds.join(),
        layerDigest,
      ]),
      [
        ['usr/sh', 0, 'open,exec', 'sha256:low'],
        ['motd', 0, 'open', 'sha256:low'],
        ['motd', 1, 'open', 'sha256:high'],
        ['hello', 1, 'open', 'sha256:high'],
      ],
    )
    const { counters, complete, incompleteReasons, durationSeconds, image } = record.header
    assert.deepEqual([counters.received, counters.outsideLayers, counters.unresolved], [7, 2, 1])
    assert.deepEqual([durationSeconds, image], [1.5, target.image])
    assert.deepEqual([complete, incompleteReasons], [false, ['the path of 1 accesses cannot be told']])
    assert.equal(record.entries[3]?.sizeBytes, 3, 'of a hard link that of its file')
    assert.deepEqual(parseRecord(formatRecord(record)), record)
  })
})

/** A record carried over to another image. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pathsFor } from '../../optimizer/record/architecture-paths.ts'
import { type RebaseTarget, rebaseRecord } from '../../optimizer/record/rebase.ts'
import { formatMatches, matchCounts } from '../../optimizer/record/rebase-text.ts'
import { formatRecord, parseRecord, type RecordEntry } from '../../shared/record.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'
import { dir, file, link, symlink, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const OLD = { reference: 'old', manifestDigest: `sha256:${'a'.repeat(64)}`, platform: 'linux/amd64' }
const NEW = { reference: 'new', manifestDigest: `sha256:${'b'.repeat(64)}`, platform: 'linux/amd64' }
const AMD64 = { architecture: 'amd64' }

function target(layers: [digest: string, items: TarItem[]][], to: RebaseTarget['to'] = AMD64): RebaseTarget {
  return {
    image: NEW,
    layers: layers.map(([digest, items]) => ({ digest, entries: indexTar(tarOf(items)).entries })),
    from: AMD64,
    to,
  }
}

function rebased(entries: RecordEntry[], to: RebaseTarget, same?: Parameters<typeof rebaseRecord>[2]) {
  return rebaseRecord(sampleRecord(entries, { image: OLD }), to, same)
}

describe('A record of a rebuilt image', () => {
  const layers: [string, TarItem[]][] = [
    ['base', [file('bin/sh', 'x'), file('etc/conf', 'longer'), file('motd', 'old')]],
    ['app', [file('app/main', 'y'), file('motd', 'new')]],
  ]
  const entries = [
    recordEntry('bin/sh', { layerDigest: 'base' }),
    recordEntry('app/main', { layerIndex: 2, layerDigest: 'old app', kinds: ['exec'] }),
    recordEntry('etc/conf', { layerDigest: 'older base', phase: 'create' }),
    recordEntry('app/gone', { layerIndex: 2, layerDigest: 'old app' }),
    recordEntry('motd', { sizeBytes: 3, layerDigest: 'older base' }),
  ]

  it('names the files where they are now, each as a container finds it', () => {
    const { record } = rebased(entries, target(layers))
    assert.deepEqual(
      record.entries.map(({ path, layerIndex, layerDigest, sizeBytes, kinds }) => [
        ...[String(path), layerIndex, layerDigest, sizeBytes, kinds[0]],
      ]),
      [
        ['bin/sh', 0, 'base', 1, 'open'],
        ['app/main', 1, 'app', 1, 'exec'],
        ['etc/conf', 0, 'base', 6, 'open'],
        ['motd', 1, 'app', 3, 'open'],
      ],
    )
    assert.ok(record.entries.every(({ manifestDigest }) => manifestDigest === NEW.manifestDigest))
    assert.deepEqual([record.header.image, record.header.rebasedFrom], [NEW, OLD])
    assert.deepEqual(parseRecord(formatRecord(record)), record)
  })

  it('comes with what has become of each file', () => {
    const { matches } = rebased(entries, target(layers))
    assert.deepEqual(
      matches.map(({ path, match }) => [path, match]),
      [
        ['bin/sh', 'same-layer'],
        ['app/main', 'same-size'],
        ['etc/conf', 'other-size'],
        ['app/gone', 'gone'],
        ['motd', 'same-size'],
      ],
    )
    assert.deepEqual(matchCounts(matches).gone, 1)
    assert.ok(formatMatches(matches).includes('gone: 1 file: /app/gone'))
  })

  it('tells contents apart where they can be compared', () => {
    const { matches } = rebased(entries, target(layers), ({ path }) => String(path) === 'motd')
    assert.deepEqual(
      matches.map(({ match }) => match),
      ['same-layer', 'other-content', 'other-content', 'gone', 'same-content'],
    )
  })

  it('follows links to where files have moved', () => {
    const merged = target([
      ['base', [dir('usr/'), dir('usr/bin/'), file('usr/bin/sh', 'x'), symlink('bin', 'usr/bin')]],
    ])
    const { record, matches } = rebased([recordEntry('bin/sh')], merged)
    assert.deepEqual(
      record.entries.map(({ path }) => String(path)),
      ['usr/bin/sh'],
    )
    assert.equal(matches[0]?.renamed, true)
  })

  it('names a file once that two of its names lead to, and hard links as they are', () => {
    const { record } = rebased(
      [recordEntry('a'), recordEntry('b'), recordEntry('a')],
      target([['base', [file('a', 'x'), link('b', 'a')]]]),
    )
    assert.deepEqual(
      record.entries.map(({ path }) => String(path)),
      ['a', 'b'],
    )
  })
})

describe('A record that is carried over', () => {
  it('knows the file that a hard link stands for', () => {
    const { record, matches } = rebased(
      [recordEntry('b', { sizeBytes: 1 })],
      target([['base', [file('a', 'x'), link('c', 'a'), link('b', 'c')]]]),
    )
    assert.deepEqual([matches[0]?.match, record.entries[0]?.sizeBytes], ['same-size', 1])
  })

  it('names the image that was run, however often', () => {
    const layers: [string, TarItem[]][] = [['base', [file('a', 'x')]]]
    const once = rebased([recordEntry('a')], target(layers)).record
    assert.deepEqual(rebaseRecord(once, target(layers)).record.header.rebasedFrom, OLD)
  })
})

describe('A record of another architecture', () => {
  const ARM64 = { architecture: 'arm64', variant: 'v8' }

  it('has its libraries, loaders and modules under the names of the new one', () => {
    const items = [
      'usr/lib/aarch64-linux-gnu/libc.so.6',
      'lib/ld-linux-aarch64.so.1',
      'usr/lib/python3/x.cpython-311-aarch64-linux-gnu.so',
      'usr/lib/python3/os.py',
    ].map((name) => file(name, 'x'))
    const entries = [
      'usr/lib/x86_64-linux-gnu/libc.so.6',
      'lib64/ld-linux-x86-64.so.2',
      'usr/lib/python3/x.cpython-311-x86_64-linux-gnu.so',
      'usr/lib/python3/os.py',
      'usr/lib/x86_64-linux-gnu/libmvec.so.1',
    ].map((path) => recordEntry(path))
    const { record, matches } = rebased(entries, target([['base', items]], ARM64))
    assert.deepEqual(
      record.entries.map(({ path }) => String(path)),
      items.map(({ name }) => String(name)),
    )
    assert.deepEqual(
      matches.map(({ renamed, match }) => (match === 'gone' ? match : renamed)),
      [true, true, true, false, 'gone'],
    )
  })

  it('keeps names that say nothing of an architecture, and those of architectures nobody knows', () => {
    assert.deepEqual(pathsFor('etc/passwd', AMD64, ARM64), ['etc/passwd'])
    assert.deepEqual(pathsFor('lib/x86_64-linux-gnu/a', AMD64, { architecture: 'z' }), [
      'lib/x86_64-linux-gnu/a',
    ])
    assert.deepEqual(
      pathsFor('lib/x86_64-linux-gnu/a', AMD64, { architecture: 'arm', variant: 'v7' })[0],
      'lib/arm-linux-gnueabihf/a',
    )
    assert.deepEqual(pathsFor('lib/ld-musl-x86_64.so.1', AMD64, ARM64)[0], 'lib/ld-musl-aarch64.so.1')
    assert.deepEqual(
      pathsFor('usr/lib/python3.12/x.cpython-312-x86_64-linux-musl.so', AMD64, ARM64)[0],
      'usr/lib/python3.12/x.cpython-312-aarch64-linux-musl.so',
    )
    const armhf = { architecture: 'arm', variant: 'v6' }
    assert.deepEqual(pathsFor('lib/ld-musl-x86_64.so.1', AMD64, armhf)[0], 'lib/ld-musl-armhf.so.1')
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  chunkEntry,
  formatModtime,
  parseToc,
  TocEntries,
  type TocEntry,
  TocError,
  TocText,
} from '../../optimizer/estargz/toc.ts'
import type { EntryType, TarEntry } from '../../optimizer/tar/entry.ts'
import fc from '../helpers/property.ts'
import { device, dir, fifo, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { encodeToc, indexTar } from '../helpers/tar-layer.ts'

const A = `sha256:${'a'.repeat(64)}` as const
const B = `sha256:${'b'.repeat(64)}` as const
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('A TOC', () => {
  it('of every type of entry is this text', () => {
    const mtime = 1_700_000_000
    const owner = { uid: 1, gid: 2, userName: 'www', groupName: 'web' }
    const xattrs = { 'user.b': 'y', 'security.capability': Buffer.from([0xff, 0xfe]) }
    const { entries } = indexTar(
      tarOf([
        dir('./usr/', { mtime, ...owner }),
        file('./usr/a', 'content', { mtime, mode: 0o4755, format: 'pax', xattrs, ...owner }),
        file('empty'),
        symlink('s', '../t', { mode: 0o777, userName: 'root', groupName: 'root' }),
        link('h', './usr/a'),
        device('c', 1, 3),
        fifo('f'),
      ]),
    )
    const toc = new TocEntries()
    const json = encodeToc(
      entries
        .map((entry) =>
          toc.fromTar(
            entry,
            entry.sizeBytes > 0
              ? { offset: 1024, innerOffset: 0, digest: A, chunkSize: 4, chunkDigest: B }
              : undefined,
          ),
        )
        .concat(chunkEntry('./usr/a', 4, { offset: 2048, innerOffset: 9, chunkSize: 0, chunkDigest: B })),
    ).toString()
    assert.equal(
      json,
      '{"version":1,"entries":[' +
        [
          '{"name":"./usr/","type":"dir","modtime":"2023-11-14T22:13:20Z","mode":493,"uid":1,"gid":2,"userName":"www","groupName":"web"}',
          `{"name":"./usr/a","type":"reg","size":7,"modtime":"2023-11-14T22:13:20Z","mode":2541,"uid":1,"gid":2,"offset":1024,"xattrs":{"security.capability":"//4=","user.b":"eQ=="},"digest":"${A}","chunkSize":4,"chunkDigest":"${B}"}`,
          `{"name":"empty","type":"reg","mode":420,"digest":"${EMPTY}"}`,
          '{"name":"s","type":"symlink","linkName":"../t","mode":511,"userName":"root","groupName":"root"}',
          '{"name":"h","type":"hardlink","linkName":"./usr/a","mode":420}',
          '{"name":"c","type":"char","mode":420,"devMajor":1,"devMinor":3}',
          '{"name":"f","type":"fifo","mode":420}',
          `{"name":"./usr/a","type":"chunk","offset":2048,"innerOffset":9,"chunkOffset":4,"chunkDigest":"${B}"}`,
        ].join(',') +
        ']}',
    )
  })

  it('of any entry is the text of its object', () => {
    const content = { offset: 1024, innerOffset: 7, digest: A, chunkSize: 4, chunkDigest: B }
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map((text) => Buffer.from(text))
    const number = fc.oneof(fc.constant(0), fc.nat())
    const type = fc.constantFrom(
      'reg',
      'dir',
      'symlink',
      'hardlink',
      'char',
      'block',
      'fifo',
    ) as fc.Arbitrary<EntryType>
    const nanoseconds = fc.oneof(fc.constant(0n), fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }))
    const entries = fc.array(
      fc.record({
        ...{ type, name, linkName: name, userName: name, groupName: name, mtimeNanoseconds: nanoseconds },
        ...{ sizeBytes: number, mode: number, uid: number, gid: number, devMajor: number, devMinor: number },
        xattrs: fc.array(fc.record({ name: fc.string(), value: name }), { maxLength: 2 }),
      }),
    )
    fc.assert(
      fc.property(entries, fc.boolean(), (made, hasContent) => {
        const [objects, texts] = [new TocEntries(), new TocEntries()]
        for (const fields of made) {
          const entry = fields as TarEntry
          const told = hasContent ? content : undefined
          assert.equal(texts.textFromTar(entry, told), JSON.stringify(objects.fromTar(entry, told)))
        }
      }),
    )
  })

  it('tells an owner name once per id, and again when it changes', () => {
    const names = (userName: string) => ({ uid: 5, userName })
    const { entries } = indexTar(
      tarOf([
        file('1', '', names('a')),
        file('2', '', names('a')),
        file('3', '', names('')),
        file('4', '', names('b')),
      ]),
    )
    const toc = new TocEntries()
    assert.deepEqual(
      entries.map((entry) => toc.fromTar(entry).userName),
      ['a', undefined, undefined, 'b'],
    )
  })

  it('shows bytes that are no UTF-8 as U+FFFD', () => {
    const [entry] = indexTar(tarOf([file(Buffer.from([0x63, 0xe9]))])).entries
    assert.ok(entry)
    assert.equal(new TocEntries().fromTar(entry).name, 'c\ufffd')
  })

  for (const [nanoseconds, text] of [
    [0n, ''],
    [999_999_999n, ''],
    [1_000_000_000n, '1970-01-01T00:00:01Z'],
    [1_499_999_999n, '1970-01-01T00:00:01Z'],
    [1_500_000_000n, '1970-01-01T00:00:02Z'],
    [-1n, '1970-01-01T00:00:00Z'],
    [-500_000_001n, '1969-12-31T23:59:59Z'],
    [-86_400_000_000_000n, '1969-12-31T00:00:00Z'],
    [253_402_300_799_000_000_000n, '9999-12-31T23:59:59Z'],
    [10n ** 27n, '9999-12-31T23:59:59Z'],
    [-(10n ** 27n), '0001-01-01T00:00:00Z'],
  ] as const) {
    it(`writes ${nanoseconds} ns as ${JSON.stringify(text)}`, () =>
      assert.equal(formatModtime(nanoseconds), text))
  }

  it('is read back as it was written', () => {
    const entries = [{ name: 'a', type: 'reg' as const, size: 1, offset: 5, digest: A, chunkDigest: A }]
    assert.deepEqual(parseToc(encodeToc(entries)), { version: 1, entries })
  })

  it('of thousands of entries is one list', () => {
    const entries = Array.from({ length: 5000 }, (_, index) => ({ name: `${index}`, type: 'dir' as const }))
    assert.deepEqual(parseToc(encodeToc(entries)).entries, entries)
    assert.deepEqual(parseToc(encodeToc([])).entries, [])
  })

  it('keeps an entry whole, however long it is and whatever its letters', () => {
    const long = 'ж'.repeat(300_000)
    const entries = ['a', long, 'b', '漢字'.repeat(40_000), long].map((name) => ({
      name,
      type: 'dir' as const,
    }))
    assert.deepEqual(parseToc(encodeToc(entries)).entries, entries)
  })

  it('waits with an entry that may still change', () => {
    const text = new TocText()
    const open: TocEntry = { name: 'a', type: 'reg', size: 2000, digest: A }
    text.add(open, false)
    for (let index = 1; index < 2000; index++)
      text.add({ name: 'a', type: 'chunk', chunkOffset: index }, false)
    open.digest = B
    text.add({ name: 'b', type: 'dir' }, true)
    const { entries } = parseToc(Buffer.concat(text.end()))
    assert.equal(entries.length, 2001)
    assert.equal(entries[0]?.digest, B)
  })

  for (const [what, text, code] of [
    ['no JSON', '{', 'TOC_MALFORMED'],
    ['another version', '{"version":2,"entries":[]}', 'TOC_VERSION_UNSUPPORTED'],
    ['null', 'null', 'TOC_VERSION_UNSUPPORTED'],
    ['no entries', '{"version":1}', 'TOC_MALFORMED'],
    ['an entry that is none', '{"version":1,"entries":[7]}', 'TOC_MALFORMED'],
    ['an entry without a name', '{"version":1,"entries":[{"type":"dir"}]}', 'TOC_MALFORMED'],
    ['a negative offset', '{"version":1,"entries":[{"name":"a","type":"reg","offset":-1}]}', 'TOC_MALFORMED'],
    ['a list', '[]', 'TOC_VERSION_UNSUPPORTED'],
    ['an entry that is a list', '{"version":1,"entries":[[]]}', 'TOC_MALFORMED'],
    ['a time of digits', '{"version":1,"entries":[{"name":"a","type":"reg","modtime":5}]}', 'TOC_MALFORMED'],
    ['half an owner', '{"version":1,"entries":[{"name":"a","type":"reg","uid":0.5}]}', 'TOC_MALFORMED'],
    ['a list of xattrs', '{"version":1,"entries":[{"name":"a","type":"reg","xattrs":[]}]}', 'TOC_MALFORMED'],
    [
      'an xattr of digits',
      '{"version":1,"entries":[{"name":"a","type":"reg","xattrs":{"b":1}}]}',
      'TOC_MALFORMED',
    ],
    ['a digest of digits', '{"version":1,"entries":[{"name":"a","type":"reg","digest":1}]}', 'TOC_MALFORMED'],
    ['a size of letters', '{"version":1,"entries":[{"name":"a","type":"reg","size":"1"}]}', 'TOC_MALFORMED'],
  ] as const) {
    it(`is refused when it is ${what}`, () => {
      assert.throws(
        () => parseToc(Buffer.from(text)),
        (error) => error instanceof TocError && error.code === code,
      )
    })
  }
})

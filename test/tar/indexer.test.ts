import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TarFormatError } from '../../optimizer/tar/errors.ts'
import fc from '../helpers/property.ts'
import { anyTar } from '../helpers/tar-arbitrary.ts'
import {
  entryBytes,
  file,
  headerBytes,
  link,
  paxHeader,
  raw,
  symlink,
  type TarItem,
  tarOf,
} from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const LONG = `${'directory/'.repeat(14)}file`

function paths(tar: Buffer): string[] {
  return indexTar(tar).entries.map(({ path }) => path)
}

function refused(tar: Buffer, pattern: RegExp): void {
  assert.throws(
    () => indexTar(tar),
    (error) => error instanceof TarFormatError && pattern.test(error.message),
  )
}

describe('The tar index', () => {
  it('says where the header blocks and the content of each entry lie', () => {
    const items = [file('a', 'first'), file(LONG, 'second', { format: 'pax' }), file('c')]
    const tar = tarOf(items)
    let offset = 0
    for (const [index, entry] of indexTar(tar).entries.entries()) {
      const item = items[index] as TarItem
      const header = headerBytes(item)
      assert.equal(entry.headerOffset, offset)
      assert.deepEqual(tar.subarray(offset, offset + entry.headerBytes), header)
      assert.deepEqual(
        tar.subarray(entry.payloadOffset, entry.payloadOffset + entry.payloadBytes),
        item.content,
      )
      offset += entryBytes(item).length
    }
  })

  it('is the same whatever pieces the bytes come in', () => {
    fc.assert(
      fc.property(anyTar(), fc.integer({ min: 1, max: 3000 }), ({ tar }, pieceBytes) => {
        assert.deepEqual(indexTar(tar, pieceBytes).entries, indexTar(tar).entries)
      }),
      { numRuns: 200 },
    )
  })

  it('never does anything but succeed or refuse, whatever byte is wrong', () => {
    fc.assert(
      fc.property(anyTar(), fc.nat(), fc.integer({ min: 1, max: 255 }), ({ tar }, at, bits) => {
        const broken = Buffer.from(tar)
        broken[at % tar.length] = (broken[at % tar.length] as number) ^ bits
        try {
          indexTar(broken)
        } catch (error) {
          assert.ok(error instanceof TarFormatError, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('applies pax records', () => {
    const [entry] = indexTar(
      tarOf([
        file('short', 'x', {
          format: 'pax',
          uid: 1_000_000,
          mtime: '1700000000.123456789',
          records: [
            ['path', 'caf\u00e9/long'],
            ['uname', 'jos\u00e9'],
          ],
          xattrs: { 'user.text': 'a=b\nc', 'security.capability': Buffer.from([1, 0, 0xff, 0xfe]) },
        }),
      ]),
    ).entries
    assert.equal(entry?.name.toString(), 'caf\u00e9/long')
    assert.equal(entry?.path, Buffer.from('caf\u00e9/long').toString('latin1'))
    assert.equal(entry?.uid, 1_000_000)
    assert.equal(entry?.userName.toString(), 'jos\u00e9')
    assert.equal(entry?.mtimeNanoseconds, 1_700_000_000_123_456_789n)
    assert.deepEqual(entry?.xattrs, [
      { name: 'user.text', value: Buffer.from('a=b\nc') },
      { name: 'security.capability', value: Buffer.from([1, 0, 0xff, 0xfe]) },
    ])
  })

  it('takes the size from a pax record', () => {
    const { entries } = indexTar(
      tarOf([file('a', 'four', { format: 'pax', records: [['size', '4']], claimedSize: 0 }), file('b')]),
    )
    assert.deepEqual(
      entries.map(({ path, sizeBytes }) => [path, sizeBytes]),
      [
        ['a', 4],
        ['b', 0],
      ],
    )
  })

  it('reads times before the epoch', () => {
    const [entry] = indexTar(tarOf([file('a', '', { format: 'pax', mtime: '-1.5' })])).entries
    assert.equal(entry?.mtimeNanoseconds, -1_500_000_000n)
  })

  it('takes a pax record without a value as absent', () => {
    assert.deepEqual(paths(tarOf([file('kept', '', { format: 'pax', records: [['path', '']] })])), ['kept'])
  })

  it('applies pax records to one entry only', () => {
    assert.deepEqual(paths(tarOf([file(LONG, '', { format: 'pax' }), file('b')])), [LONG, 'b'])
  })

  it('reads long GNU names and link targets', () => {
    const { entries } = indexTar(tarOf([symlink(LONG, `/${LONG}`, { format: 'gnu' }), file('b')]))
    assert.equal(entries[0]?.path, LONG)
    assert.equal(entries[0]?.linkName.toString(), `/${LONG}`)
  })

  it('takes a long GNU name that is empty for none', () => {
    const nothing = (flag: string) => raw(flag, '././@LongLink', Buffer.alloc(1))
    const { entries } = indexTar(tarOf([nothing('L'), nothing('K'), symlink('a', 'b')]))
    assert.deepEqual([entries[0]?.path, entries[0]?.linkName.toString()], ['a', 'b'])
  })

  it('keeps names that are no UTF-8 byte for byte', () => {
    const name = Buffer.from([0x63, 0x61, 0x66, 0xe9])
    const [entry] = indexTar(tarOf([file(name)])).entries
    assert.deepEqual(entry?.name, name)
    assert.equal(entry?.path, 'caf\xe9')
  })

  for (const [name, path] of [
    ['./', ''],
    ['/', ''],
    ['./usr//bin/', 'usr/bin'],
    ['/etc/./passwd', 'etc/passwd'],
    ['a/../b', 'b'],
    ['../../etc/passwd', 'etc/passwd'],
    ['..', ''],
    ['...', '...'],
    ['.wh..wh..opq', '.wh..wh..opq'],
  ] as const) {
    it(`cleans ${JSON.stringify(name)} to ${JSON.stringify(path)}`, () => {
      assert.deepEqual(paths(tarOf([raw('5', name)])), [path])
    })
  }

  it('leaves global headers out, as every container runtime does, and counts them', () => {
    const { entries, notes } = indexTar(
      tarOf([
        paxHeader('g', [
          ['comment', 'f00'],
          ['mtime', '1'],
        ]),
        file('a', 'x', { mtime: 7 }),
      ]),
    )
    assert.equal(notes.globalHeaders, 1)
    assert.equal(entries[0]?.headerBytes, 512)
    assert.equal(entries[0]?.mtimeNanoseconds, 7_000_000_000n)
  })

  it('puts a header together again that a global header had split', () => {
    const own = paxHeader('x', [['path', 'renamed']])
    const main = file('a', 'x')
    const [entry] = indexTar(tarOf([own, paxHeader('g', [['comment', 'c']]), main])).entries
    assert.equal(entry?.path, 'renamed')
    assert.deepEqual(entry?.replacementHeader, Buffer.concat([entryBytes(own), headerBytes(main)]))
  })

  it('leaves out entries of unknown types with their content, and counts them', () => {
    const { entries, notes } = indexTar(
      tarOf([raw('V', 'label', 'volume'), raw('D', 'dump', 'x'), file('a')]),
    )
    assert.deepEqual([entries.map(({ path }) => path), notes.unknownTypes], [['a'], 2])
  })

  it('leaves out landmarks and TOC of an earlier conversion, and counts them', () => {
    const { entries, notes } = indexTar(
      tarOf([
        file('.prefetch.landmark', '\x0f'),
        file('./.no.prefetch.landmark', '\x0f'),
        file('etc/.prefetch.landmark', 'mine'),
        file('stargz.index.json', '{}'),
      ]),
    )
    assert.deepEqual([entries.map(({ path }) => path), notes.formatEntries], [['etc/.prefetch.landmark'], 3])
  })

  for (const [what, ending] of [
    ['no end marker', { zeroBlocks: 0 }],
    ['half an end marker', { zeroBlocks: 1 }],
    ['garbage after the end marker', { garbage: Buffer.from('garbage') }],
    ['another entry after the end marker', { garbage: entryBytes(file('b')) }],
  ] as const) {
    it(`forgives ${what}`, () => assert.deepEqual(paths(tarOf([file('a', 'x')], ending)), ['a']))
  }

  it('forgives a missing final padding', () => {
    assert.deepEqual(paths(tarOf([file('a', 'x')], { zeroBlocks: 0 }).subarray(0, 513)), ['a'])
  })

  it('of nothing is empty', () => assert.deepEqual(paths(Buffer.alloc(0)), []))

  it('refuses an archive that ends inside a header', () => {
    refused(tarOf([file('a', 'x')]).subarray(0, 300), /ends inside an entry/)
  })

  it('refuses an archive that ends inside content', () => {
    refused(tarOf([file('a', 'x'.repeat(600))]).subarray(0, 1100), /ends inside an entry/)
  })

  it('refuses a size that lies', () => {
    refused(tarOf([file('a', 'x', { claimedSize: 5000 })]), /ends inside an entry/)
    refused(tarOf([file('a', 'x'.repeat(513), { claimedSize: 1 }), file('b')]), /wrong checksum/)
  })

  it('refuses a lone block of zeros between entries', () => {
    refused(Buffer.concat([tarOf([file('a')], { zeroBlocks: 1 }), tarOf([file('b')])]), /lone block of zeros/)
  })

  it('refuses extension headers of more than 1 MiB without holding them', () => {
    const header = (flag: string) => raw(flag, 'x', '', { claimedSize: 1024 * 1024 + 1 })
    for (const flag of ['x', 'g', 'L', 'K'])
      refused(tarOf([header(flag)]), /extension header of 1048577 bytes/)
  })

  for (const [what, content] of [
    ['no length', 'path=a\n'],
    ['a length too long', '99 path=a\n'],
    ['a length too short', '5 path=a\n'],
    ['no equals sign', '7 path\n'],
    ['no newline', '9 path=ab'],
    ['no key', '5 =a\n'],
    ['a NUL in a name', '11 path=a\0b\n'],
    ['a length of many digits', '00000000000000009 path=a\n'],
  ] as const) {
    it(`refuses a pax record with ${what}`, () => {
      refused(tarOf([raw('x', 'x', content), file('a')]), /pax record/)
    })
  }

  for (const [key, value] of [
    ['size', '-1'],
    ['size', '99999999999999999999'],
    ['uid', '1e3'],
    ['mtime', 'yesterday'],
    ['mtime', '9'.repeat(30)],
  ] as const) {
    it(`refuses the pax record ${key}=${value}`, () => {
      refused(tarOf([file('a', '', { format: 'pax', records: [[key, value]] })]), /pax record|negative size/)
    })
  }

  it('is not led astray by a pax key named __proto__', () => {
    const [entry] = indexTar(
      tarOf([
        file('a', '', {
          format: 'pax',
          records: [
            ['__proto__', 'x'],
            ['SCHILY.xattr.__proto__', 'y'],
          ],
        }),
      ]),
    ).entries
    assert.deepEqual(entry?.xattrs, [{ name: '__proto__', value: Buffer.from('y') }])
  })

  it('follows no hard link by itself', () => {
    const { entries } = indexTar(tarOf([link('a', 'a'), link('b', '/nowhere')]))
    assert.deepEqual(
      entries.map(({ linkPath }) => linkPath),
      ['a', 'nowhere'],
    )
  })
})

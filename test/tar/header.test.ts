import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TarEntry } from '../../optimizer/tar/entry.ts'
import { TarFormatError } from '../../optimizer/tar/errors.ts'
import {
  device,
  dir,
  file,
  headerBytes,
  type ItemOptions,
  link,
  raw,
  sealChecksum,
  tarOf,
} from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

function only(bytes: Buffer): TarEntry {
  const { entries } = indexTar(bytes)
  assert.equal(entries.length, 1)
  return entries[0] as TarEntry
}

function parsed(options: ItemOptions): TarEntry {
  return only(tarOf([file('a', 'x', options)]))
}

describe('A tar header', () => {
  it('gives name, size, mode, owners and time', () => {
    const entry = only(
      tarOf([
        file('etc/passwd', 'root', { mode: 0o640, uid: 7, gid: 8, userName: 'u', groupName: 'g', mtime: 12 }),
      ]),
    )
    const { path, type, sizeBytes, mode, uid, gid, mtimeNanoseconds } = entry
    assert.deepEqual(
      { path, type, sizeBytes, mode, uid, gid, mtimeNanoseconds },
      {
        path: 'etc/passwd',
        type: 'reg',
        sizeBytes: 4,
        mode: 0o640,
        uid: 7,
        gid: 8,
        mtimeNanoseconds: 12_000_000_000n,
      },
    )
    assert.equal(entry.userName.toString(), 'u')
    assert.equal(entry.groupName.toString(), 'g')
  })

  it('keeps a name of exactly 100 bytes whole', () => {
    assert.equal(only(tarOf([file('n'.repeat(100))])).path.length, 100)
  })

  it('joins the ustar prefix and the name', () => {
    const patch = (block: Buffer) => void block.write('usr/share', 345)
    assert.equal(only(tarOf([file('doc', 'x', { patch })])).path, 'usr/share/doc')
  })

  it('of GNU has times where ustar has a prefix', () => {
    const patch = (block: Buffer) => void block.write('00000000001\0', 345, 'latin1')
    assert.equal(only(tarOf([file('doc', 'x', { format: 'gnu', patch })])).path, 'doc')
  })

  it('of an old Go writer is called GNU and has a prefix all the same', () => {
    const patch = (block: Buffer) => void block.write('usr/share', 345)
    assert.equal(only(tarOf([file('doc', 'x', { format: 'gnu', patch })])).path, 'usr/share/doc')
  })

  it('without magic (v7) has no owners', () => {
    const entry = parsed({ format: 'v7', patch: (block) => void block.write('ignored', 265) })
    assert.equal(entry.userName.length, 0)
    assert.equal(entry.type, 'reg')
  })

  it('without a type flag is a directory when its name ends in a slash', () => {
    assert.equal(only(tarOf([raw('\0', 'old/', '', { format: 'v7' })])).type, 'dir')
    assert.equal(only(tarOf([raw('\0', 'old', '', { format: 'v7' })])).type, 'reg')
  })

  it('of a contiguous file is a regular one', () => {
    assert.equal(only(tarOf([raw('7', 'a', 'content')])).sizeBytes, 7)
  })

  it('may hold base-256 numbers, also negative ones', () => {
    const entry = parsed({ format: 'gnu', uid: 4_000_000_000, gid: 2 ** 21, mtime: -16 })
    assert.equal(entry.uid, 4_000_000_000)
    assert.equal(entry.gid, 2 ** 21)
    assert.equal(entry.mtimeNanoseconds, -16_000_000_000n)
  })

  it('may pad its numbers with spaces, and leave them out', () => {
    const patch = (block: Buffer) => {
      block.write('   644 \0', 100, 'latin1')
      block.fill(0, 108, 116)
    }
    const entry = parsed({ patch })
    assert.equal(entry.mode, 0o644)
    assert.equal(entry.uid, 0)
  })

  it('may have a checksum over signed bytes, as old writers made it', () => {
    const block = headerBytes(file('a', '', {}))
    block[265] = 0xe9
    sealChecksum(block)
    const unsigned = Number.parseInt(block.toString('latin1', 148, 154), 8)
    block.write(`${(unsigned - 256).toString(8).padStart(6, '0')}\0`, 148, 'latin1')
    assert.equal(only(Buffer.concat([block, Buffer.alloc(1024)])).path, 'a')
  })

  it('of a device has its numbers', () => {
    const entry = only(tarOf([device('dev/tty', 5, 1_048_575)]))
    assert.deepEqual([entry.type, entry.devMajor, entry.devMinor], ['char', 5, 1_048_575])
  })

  it('of a hard link or directory has no content, whatever its size says', () => {
    const { entries } = indexTar(
      tarOf([file('a', 'x'), link('b', './a', { claimedSize: 5 }), dir('c/', { claimedSize: 9 }), file('d')]),
    )
    assert.deepEqual(
      entries.map(({ path, payloadBytes }) => [path, payloadBytes]),
      [
        ['a', 1],
        ['b', 0],
        ['c', 0],
        ['d', 0],
      ],
    )
    assert.equal(entries[1]?.linkPath, 'a')
    assert.equal(entries[1]?.linkName.toString(), './a')
  })

  for (const [what, pattern, bytes] of [
    ['a wrong checksum', /wrong checksum/, flip(tarOf([file('a', 'x')]), 0)],
    [
      'a size that is no number',
      /size is no octal number/,
      tarOf([file('a', 'x', { patch: (b) => void b.write('12x', 124) })]),
    ],
    ['a negative size', /negative size/, tarOf([file('a', '', { format: 'gnu', claimedSize: -1 })])],
    ['a size beyond any file system', /size is larger/, tarOf([file('a', '', { patch: huge })])],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => indexTar(bytes),
        (error) => error instanceof TarFormatError && pattern.test(error.message),
      )
    })
  }
})

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] as number) ^ 1
  return bytes
}

function huge(block: Buffer): void {
  block.fill(0x7f, 124, 136)
  block[124] = 0x80
}

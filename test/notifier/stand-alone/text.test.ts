import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { directoryTree } from '../../../notifier/stand-alone/directory-tree.ts'
import { pathText } from '../../../notifier/stand-alone/path-text.ts'
import type { SeenFile } from '../../../notifier/stand-alone/seen-files.ts'

describe('a path as text', () => {
  const table: [bytes: string, text: string][] = [
    ['/usr/lib/x.so', '/usr/lib/x.so'],
    ['/\xc3\xa9', '/\u00e9'],
    ['/a\nb\tc\rd', '/a\\nb\\tc\\rd'],
    ['/\x1b[31m\x7f', '/\\x1b[31m\\x7f'],
    ['/back\\slash', '/back\\\\slash'],
    ['/\xff\xc3\xa9', '/\\xff\\xc3\\xa9'],
    ['/\xe2\x80\xae', '/\\u202e'],
  ]
  for (const [bytes, text] of table)
    it(`is ${text}`, () => assert.equal(pathText(Buffer.from(bytes, 'latin1')), text))
})

function file(path: string, sizeBytes: number): SeenFile {
  return { path: Buffer.from(path), kinds: 1, pid: 1, command: null, sizeBytes, elapsedMicroseconds: 0 }
}

describe('the tree of directories', () => {
  it('has counts and bytes of all below, sorted, with lonely directories on one line', () => {
    const files = [
      file('/usr/lib/b/x', 1024),
      file('/usr/lib/a/y', 1),
      file('/usr/lib/a/z', 2),
      file('/etc/p', 10),
    ]
    assert.deepEqual(directoryTree(files).split('\n'), [
      '/               4 files     1.0 KiB',
      '├─ etc          1 file         10 B',
      '└─ usr/lib      3 files     1.0 KiB',
      '   ├─ a         2 files         3 B',
      '   └─ b         1 file      1.0 KiB',
      '',
    ])
  })

  it('keeps a directory that has files itself on a line of its own', () => {
    assert.deepEqual(directoryTree([file('/a/b/x', 1), file('/a/y', 1)]).split('\n'), [
      '/            2 files         2 B',
      '└─ a         2 files         2 B',
      '   └─ b      1 file          1 B',
      '',
    ])
  })

  it('may have any number of lines', () => {
    const files = Array.from({ length: 200_000 }, (_, number) => file(`/${number}/x`, 1))
    assert.equal(directoryTree(files).split('\n').length, 200_002)
  })

  it('of nothing is its root', () => {
    assert.equal(directoryTree([]), '/      0 files         0 B\n')
  })
})

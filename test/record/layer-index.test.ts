import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LayerIndex } from '../../optimizer/record/layer-index.ts'
import type { EntryType, TarEntry } from '../../optimizer/tar/entry.ts'

/** `a/b` a file, `a/` a directory, `a -> b` a symbolic link, `a = b` a hard link. */
function entry(text: string, index: number): TarEntry {
  const [, name = '', arrow, target = ''] = /^(\S+?)(?: (->|=) (\S+))?$/.exec(text) ?? []
  const types: Record<string, EntryType> = { '->': 'symlink', '=': 'hardlink' }
  return {
    index,
    type: arrow === undefined ? (name.endsWith('/') ? 'dir' : 'reg') : (types[arrow] as EntryType),
    path: name.replace(/\/$/, '').replace(/^\.$/, ''),
    name: Buffer.from(name),
    linkName: Buffer.from(target),
    linkPath: arrow === '=' ? target : '',
    headerOffset: 0,
    headerBytes: 512,
    payloadOffset: 0,
    payloadBytes: 0,
    sizeBytes: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    userName: Buffer.alloc(0),
    groupName: Buffer.alloc(0),
    mtimeNanoseconds: 0n,
    devMajor: 0,
    devMinor: 0,
    xattrs: [],
  }
}

interface Case {
  /** Entries of each layer, lowest first. */
  layers: string[][]
  /** Path → layer index, or null for "in no layer". */
  located: Record<string, number | null>
}

function attributes(sentence: string, { layers, located }: Case): void {
  it(sentence, () => {
    const index = new LayerIndex(layers.map((layer) => layer.map(entry)))
    const found = Object.fromEntries(
      Object.keys(located).map((path) => [path, index.locate(path)?.layerIndex ?? null]),
    )
    assert.deepEqual(found, located)
  })
}

describe('the layer that provides a file', () => {
  attributes('is the highest that has it', {
    layers: [['a', 'b'], ['b'], ['c']],
    located: { a: 0, b: 1, c: 2, d: null },
  })
  attributes('is found although no layer names the directory', {
    layers: [['usr/bin/x']],
    located: { 'usr/bin/x': 0 },
  })
  attributes('is none after a whiteout', {
    layers: [['etc/', 'etc/a', 'etc/b'], ['etc/.wh.a']],
    located: { 'etc/a': null, 'etc/b': 0 },
  })
  attributes('is none below a directory that a whiteout removed, at any depth', {
    layers: [['a/', 'a/b/', 'a/b/c/', 'a/b/c/d'], ['.wh.a']],
    located: { 'a/b/c/d': null },
  })
  attributes('is the whiteout’s own layer when that brings the file again', {
    layers: [
      ['a/x', 'a/y'],
      ['a/', 'a/.wh..wh..opq', 'a/x'],
    ],
    located: { 'a/x': 1, 'a/y': null },
  })
  attributes('does not depend on where in its tar the whiteout stands', {
    layers: [['a/x'], ['a/y', 'a/.wh..wh..opq', '.wh.b'], ['b/z']],
    located: { 'a/x': null, 'a/y': 1, 'b/z': 2 },
  })
  attributes('is none below an opaque ancestor', {
    layers: [['a/b/c'], ['a/', 'a/.wh..wh..opq']],
    located: { 'a/b/c': null },
  })
  attributes('is none below a directory that became a file, and back', {
    layers: [['a/', 'a/b'], ['a'], ['a/', 'a/c']],
    located: { 'a/b': null, 'a/c': 2, a: 2 },
  })
  attributes('keeps what is in a directory that a higher layer names again', {
    layers: [['a/', 'a/b'], ['a/']],
    located: { 'a/b': 0 },
  })
  attributes('is found by the real path where the tar goes through a lower layer’s link', {
    layers: [['usr/bin/', 'usr/bin/a', 'bin -> usr/bin'], ['bin/b']],
    located: { 'usr/bin/a': 0, 'usr/bin/b': 1, 'bin/b': 1 },
  })
  attributes('follows chains of links, relative and absolute, and stops at circles', {
    layers: [
      ['data/', 'one -> two', 'two -> /three', 'three -> ./data', 'loop -> loop'],
      ['one/x', 'loop/y'],
    ],
    located: { 'data/x': 1, 'loop/y': 1 },
  })
  it('is found in a folder of any number of files, and behind a link of any length', () => {
    const files = Array.from({ length: 200_000 }, (_, n) => `d/${n}`)
    const index = new LayerIndex([[...files, `l -> ${'./'.repeat(200_000)}d`].map(entry), ['l/x'].map(entry)])
    assert.equal([...index.located()].length, files.length + 1)
    assert.equal(index.locate('d/x')?.layerIndex, 1)
  })
  attributes('knows each name of a hard link', { layers: [['a', 'b = a']], located: { a: 0, b: 0 } })
  attributes('is none for a symbolic link: the kernel names what it leads to', {
    layers: [['a', 'l -> a']],
    located: { l: null },
  })
  attributes('ignores the hard-link bookkeeping of aufs', {
    layers: [['a/x'], ['.wh..wh.plnk/', '.wh..wh.aufs']],
    located: { 'a/x': 0 },
  })
})

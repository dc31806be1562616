import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listedFiles, parsePrefetchList } from '../../optimizer/order/prefetch-list.ts'
import { LayerIndex } from '../../optimizer/record/layer-index.ts'
import { pathsByLayer } from '../../optimizer/record/wanted-files.ts'
import { dir, file, symlink, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const LAYERS = [
  tarOf([
    dir('usr/'),
    dir('usr/bin/'),
    file('usr/bin/dash'),
    symlink('usr/bin/sh', 'dash'),
    file('usr/bin/['),
    symlink('bin', 'usr/bin'),
    dir('lib/'),
    file('lib/b.so'),
    file('lib/a.so'),
    file('lib/deep/c.so'),
    file('lib/.hidden.so'),
    file('etc/motd', 'old'),
    file(Buffer.from('lib/é.txt')),
  ]),
  tarOf([file('etc/motd', 'new'), file('.wh.gone'), file('app')]),
]
const index = new LayerIndex(LAYERS.map((tar) => indexTar(tar).entries))
const listed = (...lines: string[]) => listedFiles(parsePrefetchList(lines.join('\n')), index, LAYERS.length)
const paths = (...lines: string[]) => pathsByLayer(listed(...lines).wanted, LAYERS.length)

describe('A prefetch list', () => {
  it('names paths in their order, each in the layer that provides it', () => {
    assert.deepEqual(paths('/lib/b.so', 'app', './lib/a.so', 'etc/motd'), [
      ['lib/b.so', 'lib/a.so'],
      ['app', 'etc/motd'],
    ])
  })

  it('has comments, empty lines and blanks around paths', () => {
    assert.deepEqual(paths('# these', '', '  lib/a.so  ', '\t'), [['lib/a.so'], []])
  })

  it('matches globs within one directory, and with ** across them, in path order', () => {
    assert.deepEqual(paths('lib/*.so')[0], ['lib/.hidden.so', 'lib/a.so', 'lib/b.so'])
    assert.deepEqual(paths('lib/?.so')[0], ['lib/a.so', 'lib/b.so'])
    assert.deepEqual(paths('lib/[b-z].so')[0], ['lib/b.so'])
    assert.deepEqual(paths('lib/[!b].so')[0], ['lib/a.so'])
    assert.deepEqual(paths('lib/{b,deep/c}.so')[0], ['lib/b.so', 'lib/deep/c.so'])
    assert.deepEqual(paths('lib/**/*.so')[0], ['lib/.hidden.so', 'lib/a.so', 'lib/b.so', 'lib/deep/c.so'])
  })

  it('keeps the order of its lines around a glob: what was named before stays before', () => {
    assert.deepEqual(paths('lib/b.so', 'lib/*.so')[0], ['lib/b.so', 'lib/.hidden.so', 'lib/a.so'])
  })

  it('leaves out what is excluded, wherever the exclusion stands', () => {
    const expected = ['lib/a.so']
    assert.deepEqual(paths('lib/*.so', '!lib/b.so', '!**/.*')[0], expected)
    assert.deepEqual(paths('!/lib/b.so', '!**/.*', 'lib/*.so')[0], expected)
  })

  it('takes the links along that lead to a path', () => {
    assert.deepEqual(paths('/bin/sh')[0], ['bin', 'usr/bin/sh', 'usr/bin/dash'])
  })

  it('takes a path literally before it takes it as a glob, and names as they are', () => {
    assert.deepEqual(paths('usr/bin/[', 'lib/é.txt')[0], [
      'usr/bin/[',
      Buffer.from('lib/é.txt').toString('latin1'),
    ])
  })

  it('tells the lines that name nothing', () => {
    const { unknown } = listed('# one', 'no/such', 'lib/*.nothing', 'app')
    assert.deepEqual(unknown, [
      { line: 2, text: 'no/such' },
      { line: 3, text: 'lib/*.nothing' },
    ])
    assert.deepEqual(listed('!', 'app', '/', 'lib/[').unknown, [
      { line: 1, text: '!' },
      { line: 3, text: '/' },
      { line: 4, text: 'lib/[' },
    ])
  })

  it('has names that begin as comments and exclusions do behind a backslash', () => {
    const odd = new LayerIndex([indexTar(tarOf([file('!odd'), file('#odd')])).entries])
    const { wanted } = listedFiles(parsePrefetchList('\\#odd\n\\!odd'), odd, 1)
    assert.deepEqual(pathsByLayer(wanted, 1), [['#odd', '!odd']])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keepLastOfName } from '../../optimizer/tar/last-wins.ts'
import { device, dir, file, link, symlink, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { convertTar, indexTar } from '../helpers/tar-layer.ts'

/** Entries as `name=content`, `name->link`, `name/`: of the converted tar, without what the format adds. */
async function keeps(items: TarItem[], expected: string[], dropped: number): Promise<void> {
  const tar = tarOf(items)
  assert.equal(keepLastOfName(indexTar(tar).entries).dropped, dropped)
  const converted = await convertTar(tar)
  const { entries } = indexTar(converted.tar)
  const shown = entries.map(({ name, type, linkName, payloadOffset, payloadBytes }) => {
    const content = converted.tar.toString('latin1', payloadOffset, payloadOffset + payloadBytes)
    if (type === 'dir') return name.toString()
    return linkName.length > 0 ? `${name}->${linkName}` : `${name}=${content}`
  })
  assert.deepEqual(shown, expected)
}

describe('Of entries with one name', () => {
  it('the last is kept, at its place', () =>
    keeps([file('a', '1'), file('b', '2'), file('a', '3')], ['b=2', 'a=3'], 1))

  it('names that differ only in spelling count as one', () =>
    keeps([file('./a', '1'), file('/a', '2'), file('x/../a', '3')], ['x/../a=3'], 2))

  it('a directory may come again', () =>
    keeps([dir('d/'), file('d/a', '1'), dir('./d')], ['d/a=1', './d'], 1))

  it('a file that replaces a directory takes away what was in it', () =>
    keeps(
      [dir('d/'), file('d/a', '1'), dir('d/e/'), file('d/e/f', '2'), file('d', '3'), file('dd', '4')],
      ['d=3', 'dd=4'],
      4,
    ))

  it('what comes below a replaced directory later stays', () =>
    keeps(
      [dir('d/'), file('d/a', '1'), symlink('d', 'elsewhere'), file('d/b', '2')],
      ['d->elsewhere', 'd/b=2'],
      2,
    ))

  it('a hard link made before the name came again keeps the content it meant', () =>
    keeps([file('a', '1'), link('b', 'a'), file('a', '2')], ['b=1', 'a=2'], 1))

  it('further links then go to the first of them', () =>
    keeps(
      [file('a', '1'), link('b', 'a'), link('c', 'b'), link('d', 'a'), file('a', '2'), link('e', 'a')],
      ['b=1', 'c->b', 'd->b', 'a=2', 'e->a'],
      1,
    ))

  it('a link through a link that was replaced goes to the file itself', () =>
    keeps([file('a', '1'), link('b', 'a'), link('c', 'b'), file('b', '2')], ['a=1', 'c->a', 'b=2'], 1))

  it('a link that comes again is a link again', () =>
    keeps([file('a', '1'), link('b', 'a'), link('b', './a')], ['a=1', 'b->./a'], 1))

  it('a link to what the layer does not have stays as it is', () =>
    keeps([link('b', 'lower'), file('a', '1'), file('a', '2')], ['b->lower', 'a=2'], 1))

  it('a device that links still mean keeps its numbers', async () => {
    const { tar } = await convertTar(tarOf([device('null', 1, 3), link('b', 'null'), file('null', 'x')]))
    const [entry] = indexTar(tar).entries
    assert.deepEqual([entry?.path, entry?.type, entry?.devMajor, entry?.devMinor], ['b', 'char', 1, 3])
  })

  it('the heir of a file has its owner, mode, time and attributes under its own name', async () => {
    const options = {
      format: 'pax',
      mode: 0o4755,
      uid: 3_000_000,
      mtime: '7.5',
      xattrs: { 'user.k': 'v' },
    } as const
    const long = 'l'.repeat(120)
    const { tar } = await convertTar(
      tarOf([file('a', '1', options), link(long, 'a', { format: 'pax' }), file('a', '2')]),
    )
    const [heir] = indexTar(tar).entries
    assert.equal(heir?.path, long)
    const { mode, uid, mtimeNanoseconds, xattrs } = heir ?? {}
    assert.deepEqual(
      { mode, uid, mtimeNanoseconds, xattrs },
      {
        mode: 0o4755,
        uid: 3_000_000,
        mtimeNanoseconds: 7_500_000_000n,
        xattrs: [{ name: 'user.k', value: Buffer.from('v') }],
      },
    )
  })

  it('circles of hard links do no harm', () =>
    keeps([link('a', 'b'), link('b', 'a'), file('c', '1'), file('c', '2')], ['a->b', 'b->a', 'c=2'], 1))

  it('the entries are numbered anew', () => {
    const { entries } = keepLastOfName(indexTar(tarOf([file('a'), file('b'), file('a'), file('c')])).entries)
    assert.deepEqual(
      entries.map(({ path, index }) => [path, index]),
      [
        ['b', 0],
        ['a', 1],
        ['c', 2],
      ],
    )
  })
})

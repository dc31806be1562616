/** Names as the kernel has them, byte for byte; and files that are read without being opened. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type AccessRecord, parseRecord } from '../../shared/record.ts'
import { busyboxFiles } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probePath } from '../helpers/probe.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { dir, file, link, type TarItem, tarOf } from '../helpers/tar-language.ts'

/** The longest that unpacks: containerd puts the path of its own folder before it. */
const LONG = `names/${Array.from({ length: 18 }, (_, index) => String(index).padStart(2, '0').repeat(100)).join('/')}`
/** All but NUL and slash, of every way to be odd. */
const NAMES = [
  'names/two\nlines',
  'names/a\ttab',
  'names/a "quote"',
  'names/a \\ backslash',
  'names/not there (deleted)',
  'names/ spaces ',
  'names/\u0001control\u007f',
  'names/größe',
  'names/caf\xe9',
  'names/\xff\xfe\x80',
  LONG,
]
const PATH_BYTES_MAX = 4095
const SPARSE_BYTES = 5 * 1024 ** 3

const bytes = (name: string) => Buffer.from(name, name.includes('größe') ? 'utf8' : 'latin1')

const foldersOf = (path: string) => {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, index) => ['names', ...parts.slice(0, index + 1)].join('/'))
}

const IMAGE: TarItem[][] = [
  [
    file('probe', readFileSync(probePath()), { mode: 0o755 }),
    dir('names/'),
    ...foldersOf(LONG).map((path) => dir(`${path}/`, { format: 'pax' })),
    ...NAMES.map((name) => file(bytes(name), 'x', { format: 'pax' })),
    dir('big/'),
    file('big/sparse', 'small'),
    dir('copy/'),
    file('copy/mode', 'by chmod'),
    file('copy/size', 'by truncate'),
    file('copy/old-name', 'by rename'),
    file('copy/moved-over', 'by rename, over another'),
    file('copy/target', 'this one is not read'),
    file('copy/linked', 'one of two names'),
    link('copy/linked-too', 'copy/linked'),
    file('copy/opened-too', 'opened, then chmod'),
    file('copy/replaced', 'replaced by a new file'),
    file('copy/gone', 'chmod, then removed'),
    file('copy/untouched', 'x'),
    dir('tmp/'),
  ],
]

describe('a record', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    const layers = [[...tarItems(busyboxFiles())], ...IMAGE]
    await bench.withStores((stores) =>
      putRawImage(
        stores,
        'source',
        layers.map((items) => ({ tar: tarOf(items) })),
      ),
    )
  })
  after(() => bench?.close())

  async function recorded(
    words: string[],
    options: string[] = [],
  ): Promise<{ record: AccessRecord; stderr: string }> {
    const args = ['record', 'source', '--entrypoint', JSON.stringify(words), ...options]
    const { code, stdout, stderr } = await bench.run(args)
    assert.equal(code, 0, stderr)
    assert.deepEqual(await bench.leftovers(), [])
    return { record: parseRecord(stdout), stderr }
  }
  const runEntries = ({ entries }: AccessRecord) => entries.filter(({ phase }) => phase === 'run')

  it('has every name exactly as it is', async () => {
    // A command line is text: bytes that are none go through a script of escapes.
    const script = NAMES.map((name) => {
      if (name === LONG) return `: < /${LONG}`
      const escaped = [...bytes(name)].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('')
      return `name=$(printf '%b.' '${escaped}'); : < "/\${name%.}"`
    })
    const { record } = await recorded(['/bin/sh', '-c', script.join('; ')])
    const found = runEntries(record).map(({ path }) => path.toString('latin1'))
    assert.deepEqual(
      found.filter((path) => path.startsWith('names/')),
      NAMES.map((name) => bytes(name).toString('latin1')),
    )
  })

  it('sees a path as long as paths can be, made at run time, and names it at debug level', async () => {
    const { record, stderr } = await recorded(
      ['/probe', 'deep', String(PATH_BYTES_MAX)],
      ['--log-level', 'debug'],
    )
    const { counters, complete } = record.header
    assert.equal(counters.unresolved, 0)
    // The runtime has made files, too: where it mounts others.
    assert.equal(counters.madeAtRunTime, counters.outsideLayers)
    assert.equal(complete, true)
    const named = /read, but in no layer: (\/tmp\/d+\S*)/.exec(stderr)?.[1]
    assert.equal(named?.length, PATH_BYTES_MAX)
  })

  it('has the size of a file of more than 4 GiB', async () => {
    const { record } = await recorded([
      '/probe',
      ...['truncate', '/big/sparse', String(SPARSE_BYTES)],
      ...['open', '/big/sparse'],
    ])
    const entry = runEntries(record).find(({ path }) => String(path) === 'big/sparse')
    assert.deepEqual([entry?.sizeBytes, entry?.kinds], [SPARSE_BYTES, ['open']])
  })

  describe('of files that are copied up without being opened', () => {
    let record: AccessRecord
    before(async () => {
      record = (
        await recorded([
          '/probe',
          ...[
            'chmod',
            '/copy/mode',
            'truncate',
            '/copy/size',
            '3',
            'rename',
            '/copy/old-name',
            '/copy/new-name',
          ],
          ...['rename', '/copy/moved-over', '/copy/target', 'chmod', '/copy/linked'],
          ...['open', '/copy/opened-too', 'chmod', '/copy/opened-too'],
          ...['mknod', '/tmp/made', 'rename', '/tmp/made', '/copy/replaced'],
          ...['chmod', '/copy/gone', 'unlink', '/copy/gone'],
        ])
      ).record
    })
    const copies = () => record.entries.filter(({ kinds }) => kinds.includes('copy-up'))

    it('has them, by the name that they have in the image, after what was opened', () => {
      const names = ['copy/linked', 'copy/mode', 'copy/moved-over', 'copy/old-name', 'copy/size']
      assert.deepEqual(
        copies()
          .map(({ path }) => path.toString())
          .sort(),
        names,
      )
      assert.deepEqual(record.entries.slice(-names.length), copies())
      assert.equal(record.header.counters.copiedUp, names.length)
      const size = copies().find(({ path }) => String(path) === 'copy/mode')?.sizeBytes
      assert.equal(size, 'by chmod'.length)
    })

    it('has a file that was opened, too, once', () => {
      const entries = runEntries(record).filter(({ path }) => String(path) === 'copy/opened-too')
      assert.deepEqual(
        entries.map(({ kinds }) => kinds),
        [['open']],
      )
    })

    it('has no file that was only replaced, or not touched', () => {
      for (const name of ['copy/target', 'copy/replaced', 'copy/untouched'])
        assert.equal(
          record.entries.some(({ path }) => String(path) === name),
          false,
          name,
        )
    })

    it('lacks a file that was removed afterwards: that leaves no trace (docs/record.md)', () => {
      assert.equal(
        record.entries.some(({ path }) => String(path) === 'copy/gone'),
        false,
      )
    })
  })
})

function tarItems(files: Record<string, string | Buffer>): TarItem[] {
  return Object.entries(files).map(([name, content]) => {
    if (name.endsWith('/')) return dir(name)
    if (typeof content === 'string' && content.startsWith('->'))
      return { ...file(name), flag: '2', linkName: content.slice(2) }
    return file(name, content, { mode: 0o755 })
  })
}

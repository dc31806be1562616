/**
 * Layers that hold everything a layer may hold: written by hand, by GNU tar and by Python's tarfile. Every layer unpacks
 * with containerd and with umoci.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { probeFile, type RawLayer } from './raw-image.ts'
import { device, dir, fifo, file, link, paxHeader, symlink, type TarItem, tarOf } from './tar-language.ts'

/** In whole seconds; long before any test. */
const MTIME = 1_600_000_000
const OPAQUE = '.wh..wh..opq'
/** VFS_CAP_REVISION_2, effective, cap_net_bind_service: holds zeros and bytes above 127. */
export const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')
export const NON_UTF8 = Buffer.from('names/caf\xe9-\xff\xfe', 'latin1')
export const LONG_COMPONENT = 'n'.repeat(250)

const dated = (items: TarItem[]) => items.map((item) => ({ mtime: MTIME, ...item }))

/**
 * Lowest first.
 * @param options.containerdOnly with what umoci cannot be a judge of: it refuses global headers, and gives the time of
 *   unpacking to a folder whenever a folder in it that comes later, or never, has to be made for what is inside
 * @param options.forOriginal without what ctr-remote does not convert right: sparse files fail, and a hard link gets the
 *   content of an entry that takes its target's name later
 */
export function oddLayers({ containerdOnly = false, forOriginal = false } = {}): RawLayer[] {
  const twice = tarOf(dated([file('twice/in-both', 'the same layer, two times')]))
  return [
    { tar: tarOf(dated(base())) },
    { tar: tarOf(dated(removals())) },
    { tar: tarOf(dated(names())) },
    { tar: tarOf(dated(attributes())) },
    { tar: tarOf([]) },
    { tar: twice },
    { tar: twice },
    { tar: tarOf(dated(withoutParents())) },
    ...(forOriginal ? [] : [{ tar: tarOf(dated(duplicates())), plain: true }, { tar: sparseTar('pax') }]),
    ...['v7', 'ustar', 'oldgnu'].map((format) => ({ tar: gnuTar(format), plain: format === 'oldgnu' })),
    { tar: pythonTar() },
    ...(containerdOnly ? [globals(), folderAgain()].map((items) => ({ tar: tarOf(dated(items)) })) : []),
  ]
}

/** What a workload reads of it, in this order; some of it by another name. */
export const ODD_READS = [
  '/hard/b',
  '/names/short-name-of-odd',
  '/opaque-first/new',
  '/sparse-pax/holes',
  '/links/to-file',
  '/dup/link-to-old',
  '/attributes/capable',
  '/twice/in-both',
  '/deep/without/parents',
  '/python/long',
]

/** Arguments of a workload that reads them. */
export const ODD_WORKLOAD = ['/probe', ...ODD_READS.flatMap((path) => ['read', path])]

function base(): TarItem[] {
  return [
    probeFile(),
    dir('gone/', { mode: 0o700 }),
    file('gone/a', 'removed'),
    file('gone/b', 'stays'),
    dir('gone/folder/'),
    file('gone/folder/inside', 'removed with its folder'),
    ...['opaque-first', 'opaque-last'].flatMap((name) => [
      dir(`${name}/`, { mode: 0o711 }),
      file(`${name}/old`, 'hidden'),
      dir(`${name}/sub/`),
      file(`${name}/sub/old`, 'hidden'),
      file(`${name}/again`, 'old content'),
    ]),
    dir('becomes-file/'),
    file('becomes-file/inside', 'gone'),
    file('becomes-folder', 'gone'),
    dir('hard/'),
    file('hard/a', 'one inode, three names', { mode: 0o640, uid: 7, gid: 8 }),
    link('hard/b', 'hard/a', { mode: 0o640, uid: 7, gid: 8 }),
    dir('elsewhere/'),
    link('elsewhere/c', 'hard/b', { mode: 0o640, uid: 7, gid: 8 }),
    file('hard/pair-a', 'nobody reads these'),
    link('elsewhere/pair-b', 'hard/pair-a'),
    dir('links/'),
    symlink('links/to-file', '../hard/a'),
    symlink('links/absolute', '/opaque-first/new'),
    symlink('links/dangling', 'nowhere'),
    symlink('links/to-folder', '../hard'),
    symlink('links/long', `/${'t'.repeat(120)}/target`, { format: 'pax' }),
    symlink('links/long-gnu', `/${'g'.repeat(120)}/target`, { format: 'gnu' }),
  ]
}

function removals(): TarItem[] {
  return [
    file('gone/.wh.a'),
    file('gone/.wh.folder'),
    dir('opaque-first/', { mode: 0o711 }),
    file(`opaque-first/${OPAQUE}`),
    file('opaque-first/new', 'shown'),
    file('opaque-first/again', 'new content'),
    dir('opaque-last/', { mode: 0o711 }),
    file('opaque-last/new', 'shown'),
    file('opaque-last/again', 'new content'),
    file(`opaque-last/${OPAQUE}`),
    file('becomes-file', 'a folder before'),
    dir('becomes-folder/'),
    file('becomes-folder/inside', 'a file before'),
    file('.wh.never-there'),
  ]
}

function names(): TarItem[] {
  const deep = `names/${`${'d'.repeat(90)}/`.repeat(4)}`
  return [
    dir('./'),
    dir('./names/'),
    file(NON_UTF8, 'a name that is not UTF-8'),
    symlink('names/short-name-of-odd', NON_UTF8.subarray('names/'.length)),
    file(Buffer.from('names/pax-\xfc', 'latin1'), 'the same in pax', {
      format: 'pax',
      records: [['path', Buffer.from('names/pax-\xfc-by-record', 'latin1')]],
    }),
    file('names/line\nbreak', 'x'),
    file('names/back\\slash %41 "quoted" \u{1f433}', 'x'),
    file('./names/./dots//and-slashes', 'x'),
    file('/names/absolute', 'x'),
    file(`names/${LONG_COMPONENT}`, 'pax', { format: 'pax' }),
    file(`names/${LONG_COMPONENT}-gnu`, 'gnu', { format: 'gnu' }),
    ...[1, 2, 3, 4].map((depth) => dir(deep.slice(0, 6 + 91 * depth), { format: 'pax' })),
    file(`${deep}file-at-the-bottom`, 'x', { format: 'gnu' }),
    link('names/link-with-long-target', `${deep}file-at-the-bottom`, { format: 'pax' }),
    file('names/v7', 'x', { format: 'v7' }),
    file('names/exactly-100-bytes-'.padEnd(100, 'e'), 'x'),
  ]
}

function attributes(): TarItem[] {
  const binary = Buffer.from([0, 255, 10, 61, 0, 128])
  return [
    dir('attributes/', { format: 'pax', mode: 0o1777, xattrs: { 'user.of-a-folder': 'yes' } }),
    file('attributes/capable', 'x', {
      format: 'pax',
      mode: 0o755,
      xattrs: { 'security.capability': CAPABILITY },
    }),
    file('attributes/user', 'x', {
      format: 'pax',
      xattrs: { 'user.binary': binary, 'user.empty': '', 'user.a=b': 'c' },
    }),
    file('attributes/setuid', 'x', { mode: 0o4755 }),
    file('attributes/setgid', 'x', { mode: 0o2755, gid: 50 }),
    file('attributes/no-mode', 'x', { mode: 0 }),
    dir('attributes/setgid-folder/', { mode: 0o2775, gid: 50 }),
    file('attributes/uid-pax', 'x', { format: 'pax', uid: 3_000_000, gid: 4_000_000_000 }),
    file('attributes/uid-gnu', 'x', { format: 'gnu', uid: 3_000_001, gid: 2_097_152 }),
    file('attributes/uid-setuid', 'x', { format: 'pax', uid: 3_000_000, mode: 0o6755 }),
    file('attributes/named-owner', 'x', { uid: 33, gid: 33, userName: 'www-data', groupName: 'www-data' }),
    file('attributes/sub-second', 'x', { format: 'pax', mtime: '1500000000.123456789' }),
    file('attributes/fraction-short', 'x', { format: 'pax', mtime: '1500000000.5' }),
    file('attributes/before-1970', 'x', { format: 'pax', mtime: '-86400.25' }),
    file('attributes/before-1970-gnu', 'x', { format: 'gnu', mtime: -1000 }),
    file('attributes/at-1970', 'x', { mtime: 0 }),
    dir('attributes/old-folder/', { format: 'pax', mtime: '1000000000.25' }),
    file('attributes/old-folder/inside', 'x'),
    symlink('attributes/old-link', 'nowhere', { format: 'pax', mtime: '1000000001.75', uid: 5 }),
    device('attributes/char', 1, 3, { mode: 0o666 }),
    { ...device('attributes/block', 7, 200, { mode: 0o660, gid: 6 }), flag: '4' },
    fifo('attributes/fifo', { mode: 0o622 }),
    link('attributes/fifo-again', 'attributes/fifo'),
    file('attributes/empty', ''),
    file('attributes/many-chunks', Buffer.from(Array.from({ length: 40_000 }, (_, n) => (n * n) % 251))),
  ]
}

function duplicates(): TarItem[] {
  return [
    dir('dup/', { mode: 0o700 }),
    file('dup/file', 'first, longer than the last'),
    file('dup/old', 'what the link means'),
    link('dup/link-to-old', 'dup/old'),
    file('dup/old', 'what the name means'),
    file('dup/to-link', 'x'),
    symlink('dup/to-link', 'file'),
    file('dup/file', 'last'),
    dir('dup/', { mode: 0o755 }),
  ]
}

function withoutParents(): TarItem[] {
  return [file('deep/without/parents', 'x'), link('deep/linked/parents', 'deep/without/parents')]
}

function folderAgain(): TarItem[] {
  return [
    dir('again/'),
    dir('again/folder/', { mode: 0o700 }),
    file('again/folder/inside', 'x'),
    dir('again/folder/', { mode: 0o755, uid: 9 }),
    file('again/folder/after', 'x'),
  ]
}

function globals(): TarItem[] {
  const comment = paxHeader('g', [['comment', 'of the whole archive']])
  return [
    comment,
    dir('global/'),
    paxHeader('g', [['SCHILY.xattr.user.global', 'is ignored by unpackers']]),
    file('global/file', 'x'),
    comment,
    file('global/with-own', 'x', { format: 'pax', mtime: '1500000000.5' }),
  ]
}

/** By GNU tar, of a file with holes before, between and after its data: more runs than one header block holds. */
export function sparseTar(format: 'gnu' | 'pax'): Buffer {
  return inFolder((folder) => {
    const top = `sparse-${format}`
    mkdirSync(join(folder, top))
    const sparse = openSync(join(folder, top, 'holes'), 'w')
    for (let run = 1; run <= 30; run++) writeSync(sparse, `data of run ${run}`, run * 32 * 1024)
    execFileSync('truncate', ['--size', '1M', join(folder, top, 'holes')])
    closeSync(sparse)
    writeFileSync(join(folder, top, 'after'), 'an ordinary file')
    return tar(folder, format, ['--sparse', '--mtime', `@${MTIME}`, top])
  })
}

/** By GNU tar: names up to what the format holds, links and modes. */
function gnuTar(format: string): Buffer {
  return inFolder((folder) => {
    const top = join(folder, `tar-${format}`)
    const part = format === 'v7' ? 'p'.repeat(40) : 'p'.repeat(90)
    mkdirSync(join(top, part), { recursive: true })
    writeFileSync(join(top, part, 'f'.repeat(40)), 'at the end of a long path', { mode: 0o600 })
    writeFileSync(join(top, 'program'), '#!/nothing', { mode: 0o755 })
    execFileSync('ln', [join(top, 'program'), join(top, 'second-name')])
    execFileSync('ln', ['-s', 'program', join(top, 'symlink')])
    if (format !== 'v7') execFileSync('mkfifo', [join(top, 'fifo')])
    return tar(folder, format, [
      '--mtime',
      `@${MTIME}`,
      '--owner',
      'web:101',
      '--group',
      'web:102',
      `tar-${format}`,
    ])
  })
}

function tar(folder: string, format: string, args: string[]): Buffer {
  return execFileSync(
    'tar',
    ['--create', '--sort=name', `--format=${format}`, '--directory', folder, ...args],
    {
      maxBuffer: 64 * 1024 * 1024,
    },
  )
}

const PYTHON = `
import io, sys, tarfile
archive = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT)
def add(name, content=b'', **fields):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in {'mtime': ${MTIME}.25, **fields}.items():
        setattr(entry, key, value)
    archive.addfile(entry, io.BytesIO(content))
add('python', type=tarfile.DIRTYPE, mode=0o755)
add('python/' + 'l' * 200, b'long', uid=5_000_000, uname='jos\\u00e9')
add('python/umlaut-\\u00fc', b'x')
add('python/surrogate-\\udcff', b'x')
add('python/long', type=tarfile.SYMTYPE, linkname='l' * 200)
add('python/hard', type=tarfile.LNKTYPE, linkname='python/' + 'l' * 200)
add('python/attributes', b'x', pax_headers={'SCHILY.xattr.user.python': 'caf\\u00e9', 'comment': 'of one file'})
archive.close()
`

function pythonTar(): Buffer {
  return execFileSync('python3', ['-c', PYTHON])
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'odd-layers-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

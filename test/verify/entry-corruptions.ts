/** Layers that are sound in themselves and hold something else than the source's. */
import { gnuTar } from '../helpers/converted-image.ts'
import { device, file, link, symlink, type TarItem } from '../helpers/tar-language.ts'
import { type Corruption, contentByTar, layerOf, listing, names } from './corruption.ts'
import { changed, LAYERS } from './sample-layers.ts'

type Change = (item: TarItem) => TarItem | TarItem[] | null

const at =
  (path: string, change: Change): Change =>
  (item) =>
    item.name.toString() === path ? change(item) : item

const converted =
  (layer: number, change: Change): Corruption['seed'] =>
  (_, convert) =>
    convert(changed(layer, change))

/** An attribute of one entry, as GNU tar lists it. */
function attribute(
  what: string,
  path: string,
  fields: Partial<TarItem>,
  codes: Corruption['codes'],
): Corruption {
  return {
    what,
    seed: converted(
      0,
      at(path, (item) => ({ ...item, ...fields })),
    ),
    shown: (parts) => listing(parts, 0),
    codes,
    named: new RegExp(`^${path.replace(/\/$/, '')}: source .*, target `),
  }
}

export const ENTRY_CORRUPTIONS: readonly Corruption[] = [
  {
    what: 'a byte of a file',
    seed: converted(
      0,
      at('etc/capable', (item) => ({ ...item, content: Buffer.from('y') })),
    ),
    shown: (parts) => contentByTar(parts, 0, 'etc/capable'),
    codes: ['ENTRY_CONTENT', 'FILE_CONTENT'],
    named: /^etc\/capable: source sha256:\w+, target sha256:/,
  },
  {
    what: 'a byte in the second chunk of a file',
    seed: converted(
      0,
      at('large', (item) => {
        const content = Buffer.from(item.content)
        content[5000] = 255
        return { ...item, content }
      }),
    ),
    shown: (parts) => contentByTar(parts, 0, 'large'),
    codes: ['ENTRY_CONTENT', 'FILE_CONTENT'],
    named: /^large: source sha256:\w+, target sha256:/,
  },
  {
    what: 'a longer file',
    seed: converted(
      0,
      at('old/b', (item) => ({ ...item, content: Buffer.from('stays!') })),
    ),
    shown: (parts) => contentByTar(parts, 0, 'old/b'),
    codes: ['ENTRY_CONTENT', 'ENTRY_SIZE', 'FILE_CONTENT', 'FILE_SIZE'],
    named: /^old\/b: source 5 bytes, target 6 bytes/,
  },
  attribute('a mode', 'old/b', { mode: 0o600 }, ['ENTRY_MODE', 'FILE_MODE']),
  attribute('a set-user-id bit', 'old/b', { mode: 0o4644 }, ['ENTRY_MODE', 'FILE_MODE']),
  attribute('half a second of a modification time', 'old/b', { format: 'pax', mtime: '1600000000.5' }, [
    'ENTRY_MTIME',
    'FILE_MTIME',
  ]),
  attribute('an owner', 'old/b', { uid: 7 }, ['ENTRY_OWNER', 'FILE_OWNER']),
  attribute('a group', 'old/', { gid: 7 }, ['ENTRY_OWNER', 'FILE_OWNER']),
  attribute('the numbers of a device', 'dev/null', { devMinor: 5 }, ['ENTRY_DEVICE', 'FILE_DEVICE']),
  attribute('the target of a symbolic link', 'bin/ash', { linkName: 'dash' }, ['ENTRY_LINK', 'FILE_LINK']),
  {
    what: 'the name of an owner',
    seed: converted(0, (item) => (item.userName === 'bin' ? { ...item, userName: 'root' } : item)),
    shown: (parts) => gnuTar(layerOf(parts, 0).blob, ['-tv']),
    codes: ['ENTRY_OWNER_NAME'],
    named: /^bin\/sh: source bin:daemon, target root:daemon/,
  },
  {
    what: 'the value of an extended attribute',
    seed: converted(
      0,
      at('etc/capable', (item) => ({ ...item, xattrs: { 'user.a': 'longer' } })),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_XATTR', 'FILE_XATTR'],
    named: /^etc\/capable: user\.a: source 0x62, target 0x6c6f6e676572/,
  },
  {
    what: 'an extended attribute lost',
    seed: converted(
      0,
      at('etc/capable', (item) => ({ ...item, xattrs: {} })),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_XATTR', 'FILE_XATTR'],
    named: /^etc\/capable: user\.a: source 0x62, target none/,
  },
  {
    what: 'the target of a hard link',
    seed: converted(
      0,
      at('bin/dash', (item) => ({ ...item, linkName: 'old/b' })),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_LINK', 'FILE_CONTENT', 'FILE_LINK', 'FILE_MODE', 'FILE_OWNER', 'FILE_SIZE'],
    named: /^bin\/dash: source bin\/sh, target old\/b/,
  },
  {
    what: 'a copy in the place of a hard link',
    seed: converted(
      0,
      at('bin/dash', (item) => file('bin/dash', 'a shell', { ...item, linkName: '' })),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_TYPE', 'FILE_LINK'],
    named: /^bin\/dash: source hardlink, target reg/,
  },
  {
    what: 'a file in the place of a pipe',
    seed: converted(
      0,
      at('dev/pipe', (item) => ({ ...item, flag: '0' })),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_TYPE', 'FILE_TYPE'],
    named: /^dev\/pipe: source fifo, target reg/,
  },
  {
    what: 'an entry lost',
    seed: converted(
      0,
      at('old/b', () => null),
    ),
    shown: (parts) => listing(parts, 0),
    codes: ['ENTRY_MISSING', 'FILE_MISSING'],
    named: /^old\/b: a reg in the source/,
  },
  {
    what: "a folder's own entry lost",
    seed: converted(
      1,
      at('app/', () => null),
    ),
    shown: (parts) => listing(parts, 1),
    codes: ['ENTRY_MISSING', 'FILE_TYPE'],
    named: /^app: source dir, target directory without an entry/,
  },
  {
    what: 'an entry too many',
    seed: converted(
      1,
      at('app/main', (item) => [item, symlink('app/added', 'main')]),
    ),
    shown: (parts) => listing(parts, 1),
    codes: ['ENTRY_ADDED', 'FILE_ADDED'],
    named: /^app\/added: a symlink in the target/,
  },
  {
    what: 'a whiteout lost',
    seed: converted(
      1,
      at('old/.wh.a', () => null),
    ),
    shown: (parts) => listing(parts, 1),
    codes: ['FILE_ADDED', 'WHITEOUT_MISSING'],
    named: /^old\/a: a reg in the target/,
  },
  {
    what: 'an opaque mark lost',
    seed: converted(
      1,
      at('hidden/.wh..wh..opq', () => null),
    ),
    shown: (parts) => listing(parts, 1),
    codes: ['FILE_ADDED', 'OPAQUE_MISSING'],
    named: /^hidden\/below: a reg in the target/,
  },
  {
    what: 'a whiteout behind the entry of its name',
    seed: (_, convert) => {
      const [base = [], app = []] = LAYERS
      const whiteout = app.find(({ name }) => name.toString() === 'etc/.wh.conf') as TarItem
      return convert([base, [...app.filter((item) => item !== whiteout), whiteout]])
    },
    shown: (parts) => names(parts, 1).filter((name) => name.includes('conf')),
    codes: ['ENTRY_ORDER'],
    named: /^etc\/conf: on the other side of its whiteout/,
  },
  {
    what: 'a symbolic link among the parents that leads elsewhere',
    seed: converted(
      1,
      at('app/', () => [symlink('app', 'old'), device('spare', 1, 1), link('again', 'spare')]),
    ),
    shown: (parts) => listing(parts, 1),
    codes: ['ENTRY_ADDED', 'ENTRY_TYPE', 'FILE_ADDED', 'FILE_MISSING', 'FILE_TYPE'],
    named: /^old\/main: a reg in the target/,
  },
  {
    what: 'two layers that have changed places',
    seed: (parts) => {
      parts.layers.reverse()
      return parts
    },
    shown: (parts) => [listing(parts, 0), listing(parts, 1)],
    codes: [
      'ENTRY_ADDED',
      'ENTRY_CONTENT',
      'ENTRY_MISSING',
      'ENTRY_SIZE',
      'FILE_ADDED',
      'FILE_CONTENT',
      'FILE_SIZE',
      'LAYER_ORDER',
      'OPAQUE_MISSING',
      'WHITEOUT_MISSING',
    ],
    named: /layer 0 holds what layer 1 of the source holds/,
  },
]

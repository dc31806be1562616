/** Layers of everything that verification looks at. */
import { device, dir, fifo, file, link, symlink, type TarItem } from '../helpers/tar-language.ts'

const MTIME = 1_600_000_000

export const LARGE = Buffer.from(Array.from({ length: 10_000 }, (_, n) => (n * n) % 251))

export const LAYERS: readonly (readonly TarItem[])[] = [
  [
    dir('bin/', { mtime: MTIME }),
    file('bin/sh', 'a shell', {
      mode: 0o755,
      mtime: MTIME,
      uid: 1,
      gid: 2,
      userName: 'bin',
      groupName: 'daemon',
    }),
    link('bin/dash', 'bin/sh', {
      mode: 0o755,
      mtime: MTIME,
      uid: 1,
      gid: 2,
      userName: 'bin',
      groupName: 'daemon',
    }),
    symlink('bin/ash', 'sh', { mtime: MTIME }),
    dir('dev/', { mtime: MTIME }),
    device('dev/null', 1, 3, { mode: 0o666, mtime: MTIME }),
    fifo('dev/pipe', { mtime: MTIME }),
    dir('etc/', { mtime: MTIME }),
    file('etc/conf', 'settings', { mtime: MTIME }),
    file('etc/capable', 'x', { format: 'pax', mtime: MTIME, xattrs: { 'user.a': 'b' } }),
    dir('old/', { mtime: MTIME }),
    file('old/a', 'removed later', { mtime: MTIME }),
    file('old/b', 'stays', { mtime: MTIME }),
    dir('hidden/', { mtime: MTIME }),
    file('hidden/below', 'hidden later', { mtime: MTIME }),
    file('large', LARGE, { mtime: MTIME }),
  ],
  [
    dir('app/', { mtime: MTIME }),
    file('app/main', 'main', { mode: 0o755, mtime: MTIME }),
    file('app/data', LARGE.subarray(0, 5000), { mtime: MTIME }),
    file('old/.wh.a'),
    dir('hidden/', { mtime: MTIME }),
    file('hidden/.wh..wh..opq'),
    file('hidden/above', 'shown', { mtime: MTIME }),
    file('etc/.wh.conf'),
    file('etc/conf', 'other settings', { mtime: MTIME }),
  ],
]

/** Of each layer. */
export const PRIORITIZED = [['bin/dash', 'large'], []]

/** The layers with some items of one changed, or left out. */
export function changed(
  layer: number,
  change: (item: TarItem) => TarItem | TarItem[] | null,
): (readonly TarItem[])[] {
  return LAYERS.map((items, index) => (index === layer ? items.flatMap((item) => change(item) ?? []) : items))
}

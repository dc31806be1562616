/** Layers with the right tar and a TOC, a landmark or an offset that tells clients something else. */
import type { Toc, TocEntry } from '../../optimizer/estargz/toc.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { changeToc, type ImageParts, layerOfItems, tocOf } from '../helpers/converted-image.ts'
import { file, type TarItem } from '../helpers/tar-language.ts'
import { type Corruption, contentByTar, layerOf, names } from './corruption.ts'
import { LAYERS } from './sample-layers.ts'

const entryOf = (toc: Toc, name: string, type?: string): TocEntry => {
  const found = toc.entries.find(
    (entry) => entry.name === name && (type === undefined || entry.type === type),
  )
  if (found === undefined) throw new Error(`the TOC has no ${name}`)
  return found
}

const shownToc = (parts: ImageParts) => tocOf(layerOf(parts, 0).blob)

function toc(
  what: string,
  change: (toc: Toc) => void,
  codes: Corruption['codes'],
  named: RegExp,
): Corruption {
  const seed = (parts: ImageParts) => {
    changeToc(layerOf(parts, 0), change)
    return parts
  }
  return { what, seed, shown: shownToc, codes, named }
}

function field(what: string, name: string, fields: object): Corruption {
  const [key] = Object.keys(fields)
  const change = (toc: Toc) => void Object.assign(entryOf(toc, name), fields)
  return toc(
    `${what} in the TOC`,
    change,
    ['TOC_FIELD'],
    new RegExp(`^${name.replace(/\/$/, '')}: ${key}: the tar has `),
  )
}

const LANDMARK = file('.prefetch.landmark', Buffer.of(15), { mode: 0 })
const NO_LANDMARK = file('.no.prefetch.landmark', Buffer.of(15), { mode: 0 })

function items(
  what: string,
  make: (items: readonly TarItem[]) => TarItem[],
  codes: Corruption['codes'],
  named: RegExp,
  inToc?: (path: string) => boolean,
): Corruption {
  return {
    what,
    seed: (parts) => {
      parts.layers[0] = layerOfItems(make(LAYERS[0] as readonly TarItem[]), inToc)
    },
    shown: (parts) => [names(parts, 0), contentByTar(parts, 0, 'stargz.index.json')],
    codes,
    named,
  }
}

export const TOC_CORRUPTIONS: readonly Corruption[] = [
  field('a type', 'dev/pipe', { type: 'reg' }),
  field('a mode', 'old/b', { mode: 0o600 }),
  field('an owner', 'old/', { uid: 3 }),
  field('a group', 'old/b', { gid: 3 }),
  field('the name of an owner', 'bin/sh', { userName: 'root' }),
  field('the name of a group', 'bin/sh', { groupName: 'root' }),
  field('a modification time', 'old/b', { modtime: '2020-09-13T12:26:41Z' }),
  field('the target of a symbolic link', 'bin/ash', { linkName: 'dash' }),
  field('the target of a hard link', 'bin/dash', { linkName: 'old/b' }),
  field('the numbers of a device', 'dev/null', { devMinor: 4 }),
  field('an extended attribute', 'etc/capable', { xattrs: { 'user.a': 'Yw==' } }),
  toc(
    'a size in the TOC',
    (toc) => {
      entryOf(toc, 'large').size = 9999
    },
    ['CHUNK_COVERAGE', 'TOC_FIELD'],
    /^large: size: the tar has 10000, the TOC 9999/,
  ),
  toc(
    'the digest of a file in the TOC',
    (toc) => {
      entryOf(toc, 'large').digest = digestOf('other')
    },
    ['TOC_FILE_DIGEST'],
    /^large: the content has sha256/,
  ),
  toc(
    'the digest of a chunk in the TOC',
    (toc) => {
      entryOf(toc, 'large', 'chunk').chunkDigest = digestOf('other')
    },
    ['CHUNK_DIGEST'],
    /^large: at 4096: the content has sha256/,
  ),
  toc(
    'the digest of a chunk left out',
    (toc) => {
      delete entryOf(toc, 'large', 'chunk').chunkDigest
    },
    ['CHUNK_DIGEST'],
    /^large: at 4096: .*the TOC says nothing/,
  ),
  toc(
    'a chunk whose size leaves a gap',
    (toc) => {
      entryOf(toc, 'large').chunkSize = 4095
    },
    ['CHUNK_COVERAGE'],
    /^large: 3 chunks for 10000 bytes/,
  ),
  toc(
    'a chunk left out',
    (toc) => {
      toc.entries.splice(toc.entries.indexOf(entryOf(toc, 'large', 'chunk')), 1)
    },
    ['CHUNK_COVERAGE'],
    /^large: 2 chunks/,
  ),
  toc(
    "an offset that leads to another file's member",
    (toc) => {
      entryOf(toc, 'old/b').offset = entryOf(toc, 'old/a').offset as number
    },
    ['CHUNK_OFFSET'],
    /^old\/b: at 0: offset \d+ \(\+0\) leads to byte/,
  ),
  toc(
    'an offset one byte beside its member',
    (toc) => {
      entryOf(toc, 'old/b').offset = (entryOf(toc, 'old/b').offset as number) + 1
    },
    ['CHUNK_OFFSET'],
    /^old\/b: at 0: nothing begins at offset/,
  ),
  toc(
    'an offset beyond the content',
    (toc) => {
      entryOf(toc, 'large', 'chunk').offset = 10_000_000
    },
    ['CHUNK_OFFSET'],
    /^large: at 4096: nothing begins at offset 10000000/,
  ),
  toc(
    'an entry left out of the TOC',
    (toc) => {
      toc.entries.splice(toc.entries.indexOf(entryOf(toc, 'old/')), 1)
    },
    ['TOC_ENTRY_MISSING'],
    /^old: a dir in the tar/,
  ),
  toc(
    'an entry of the TOC that the tar has not',
    (toc) => {
      toc.entries.push({ name: 'old/c', type: 'dir', mode: 0o755 })
    },
    ['TOC_ENTRY_ADDED'],
    /^old\/c: entry \d+ of the TOC, a dir/,
  ),
  toc(
    'an entry twice in the TOC',
    (toc) => {
      toc.entries.push({ ...entryOf(toc, 'old/') })
    },
    ['TOC_ENTRY_REPEATED'],
    /^old: entry \d+ of the TOC/,
  ),
  toc(
    'two entries of the TOC that have changed places',
    (toc) => {
      const [a, b] = [entryOf(toc, 'dev/null'), entryOf(toc, 'dev/pipe')]
      const [i, j] = [toc.entries.indexOf(a), toc.entries.indexOf(b)]
      toc.entries[i] = b
      toc.entries[j] = a
    },
    ['TOC_ORDER'],
    /^dev\/null: entry \d+ of the TOC comes earlier in the tar/,
  ),
  items('no landmark', (all) => [...all], ['LANDMARK_MISSING'], /does not know what to fetch ahead/),
  items(
    'two landmarks',
    (all) => [NO_LANDMARK, ...all.slice(0, 2), LANDMARK, ...all.slice(2)],
    ['LANDMARK_PLACE'],
    /^\.prefetch\.landmark: beside/,
  ),
  items(
    'a landmark with nothing before it',
    (all) => [LANDMARK, ...all],
    ['LANDMARK_PLACE'],
    /^\.prefetch\.landmark: nothing lies before it/,
  ),
  items(
    'a landmark that forbids what lies before it',
    (all) => [...all.slice(0, 2), NO_LANDMARK, ...all.slice(2)],
    ['LANDMARK_PLACE'],
    /^\.no\.prefetch\.landmark: 2 entries lie before it/,
  ),
  items(
    'another landmark',
    (all) => [file('.no.prefetch.landmark', 'x', { mode: 0 }), ...all],
    ['LANDMARK_CONTENT'],
    /^\.no\.prefetch\.landmark: a reg of 1 bytes/,
  ),
  items(
    'an entry twice in the tar',
    (all) => [NO_LANDMARK, ...all, all.at(-1) as TarItem],
    ['ENTRY_REPEATED'],
    /^large: again in the target/,
  ),
  items(
    'a second TOC in the tar',
    (all) => [NO_LANDMARK, file('stargz.index.json', '{}'), ...all],
    ['TOC_PLACE'],
    /^stargz\.index\.json: 2 entries of this name/,
    (path) => path !== 'stargz.index.json',
  ),
]

/** Lazily pullable layers: blobs of zstd:chunked changed anywhere, and TOCs of every format changed entry by entry. */
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { chunksOf, readToc, verifyContents } from '../../optimizer/estargz/reader.ts'
import { tarSplitLines } from '../../optimizer/estargz/tar-split-lines.ts'
import { parseToc, type Toc, type TocEntry, TocError } from '../../optimizer/estargz/toc.ts'
import { DIALECTS } from '../../optimizer/estargz/zstd-footer.ts'
import { readStoredTarSplit } from '../../optimizer/estargz/zstdchunked-reader.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import type { DifferenceCode } from '../../optimizer/verify/difference.ts'
import { tocKey } from '../../optimizer/verify/toc-claims.ts'
import { verifyLayer } from '../../optimizer/verify/verify-layer.ts'
import { type LayerParts, rebuild, tocOffset } from '../helpers/converted-image.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertedTar, convertTar, decompressed, readerOf } from '../helpers/tar-layer.ts'
import { rebuildZstd } from '../helpers/zstd-layer.ts'
import { mutated } from './mutate.ts'
import type { Random } from './random.ts'
import type { FuzzTarget } from './target.ts'

const TAR = tarOf([
  dir('a/', { mtime: 1 }),
  file('a/b', 'content', { userName: 'root', groupName: 'root' }),
  file('large', Buffer.alloc(3000, 'content'), { mtime: 1_600_000_000 }),
  file('x', 'y', { format: 'pax', xattrs: { 'user.a': 'b' }, mtime: '1.25' }),
  link('c', 'a/b', { userName: 'root', groupName: 'root' }),
  symlink('d', 'a'),
  file('empty'),
])
const CONVERTED = { prioritized: ['large'], chunkBytes: 1000, level: 1 }

/** Past the end there is nothing to read: as a store's, this reader says so. */
function strictReader(blob: Buffer) {
  return async (offset: number, bytes: number) => {
    const piece = await readerOf(blob)(offset, bytes)
    if (piece.length < bytes) throw new TocError('TOC_MALFORMED', 'the harness has no such bytes')
    return piece
  }
}

/** A blob of either dialect as it is, changed anywhere: footer, TOC, tar-split data, frames. */
export const zstdChunkedBlob: FuzzTarget = {
  corpus: async () =>
    await Promise.all(
      DIALECTS.map(async (dialect) => (await convertTar(TAR, { ...CONVERTED, dialect })).blob),
    ),
  dictionary: [
    ...['GnUlInUx', 'GNUlInUx', '\x50\x2a\x4d\x18', '\x28\xb5\x2f\xfd', '\x01\0\0\0\0\0\0\0'],
    ...['\xff\xff\xff\xff\xff\xff\x1f\0', '\0\0\0\0\x01\0\0\0', '\x40\0\0\0', '\x28\0\0\0'],
  ],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof TocError,
  run: async (blob) => {
    const read = strictReader(blob)
    const layer = await readToc(read, blob.length)
    if (layer === undefined) return 'no footer'
    const chunks = chunksOf(layer)
    const files = await verifyContents(read, layer)
    const { tarSplit } = layer.frames ?? {}
    let lines = 0
    if (tarSplit !== undefined && layer.toc.tarSplitDigest !== undefined) {
      const stored = await readStoredTarSplit(read, tarSplit, layer.toc.tarSplitDigest)
      for (const _ of tarSplitLines(stored, tarSplit.uncompressedBytes)) lines++
    }
    return `${layer.format} ${chunks.length} chunks of ${files.size} files, ${Math.min(lines, 20)} lines`
  },
}

interface Sample {
  layer: LayerParts
  toc: Toc
}

let samples: Promise<Sample[]> | undefined

/** One of each format: gzip, and both dialects. */
async function soundSamples(): Promise<Sample[]> {
  const made = await Promise.all([
    convertTar(TAR, CONVERTED),
    ...DIALECTS.map((dialect) => convertTar(TAR, { ...CONVERTED, dialect })),
  ])
  return made.map(({ blob, annotations, toc }: ConvertedTar, index) => {
    const mediaType = `application/vnd.oci.image.layer.v1.tar+${index === 0 ? 'gzip' : 'zstd'}`
    return { layer: { blob, mediaType, annotations }, toc: JSON.parse(toc.json.toString()) }
  })
}

const WEIRD = [0, 1, -1, 0.5, 2 ** 31, 2 ** 53 - 1, 1e308, null, true, '', 'a', '__proto__', [], {}, '\ud800']
const FIELDS = [
  ...['name', 'type', 'size', 'modtime', 'linkName', 'mode', 'uid', 'gid', 'userName', 'groupName'],
  ...['offset', 'endOffset', 'innerOffset', 'devMajor', 'devMinor', 'xattrs', 'digest', 'chunkOffset'],
  ...['chunkSize', 'chunkDigest', 'accesstime', 'changetime', 'unknown', '__proto__', 'constructor'],
]
const VALUES: unknown[] = [
  ...['reg', 'chunk', 'dir', 'hardlink', 'large', 'a/b', '../a', './large', '.prefetch.landmark'],
  ...['2020-09-13T12:26:40Z', '2024-02-31T00:00:00Z', '2024-01-01T00:00:00.5+01:00', '9999-99-99T99:99:99Z'],
  ...[digestOf('content'), digestOf(''), 'sha256:', { 'user.a': 'Yg==' }, { constructor: 'Yg==' }, 4096],
]

type Entries = Record<string, unknown>[]
type Change = (entries: Entries, random: Random) => void

const at = (entries: Entries, random: Random) => random.of(entries) ?? {}

const CHANGES: Change[] = [
  (entries, random) => {
    const key = random.of(FIELDS)
    const value = random.of([...WEIRD, ...VALUES])
    Object.defineProperty(at(entries, random), key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  },
  // What another entry says there.
  (entries, random) => {
    const key = random.of(FIELDS)
    const value = at(entries, random)[key]
    if (key !== '__proto__' && value !== undefined) at(entries, random)[key] = value
  },
  (entries, random) => {
    const key = random.of(['size', 'offset', 'endOffset', 'innerOffset', 'chunkOffset', 'chunkSize', 'mode'])
    const entry = at(entries, random)
    if (typeof entry[key] === 'number') entry[key] = (entry[key] as number) + random.of([-1, 1, 512, 1000])
  },
  (entries, random) => {
    const entry = at(entries, random)
    const keys = Object.keys(entry)
    if (keys.length > 0) delete entry[random.of(keys)]
  },
  (entries, random) => void entries.splice(random.below(entries.length), 1),
  (entries, random) => void entries.splice(random.below(entries.length + 1), 0, { ...at(entries, random) }),
  (entries, random) => {
    const [i, j] = [random.below(entries.length), random.below(entries.length)]
    const [a, b] = [entries[i], entries[j]]
    if (a !== undefined && b !== undefined) {
      entries[i] = b
      entries[j] = a
    }
  },
]

/** As JSON.parse makes it; entries that are none are left alone. */
function changedToc(input: Buffer, random: Random): Buffer | undefined {
  try {
    const toc = JSON.parse(input.toString('utf8'))
    const entries: Entries = toc.entries.filter(
      (entry: unknown) => typeof entry === 'object' && entry !== null,
    )
    for (let changes = 1 + random.below(3); changes > 0; changes--) random.of(CHANGES)(entries, random)
    return Buffer.from(JSON.stringify({ ...toc, entries }))
  } catch {
    return undefined
  }
}

/**
 * What a client makes of a TOC: null and zero are what an absent field means, names are told once per id, what an entry
 * of its type has no use for is nothing.
 */
function meaning({ entries }: Toc, isContainers: boolean): unknown[] {
  const names = { user: new Map<unknown, unknown>(), group: new Map<unknown, unknown>() }
  const named = (known: Map<unknown, unknown>, id: unknown, name: unknown) => {
    if (name) known.set(id ?? 0, name)
    return isContainers ? null : (known.get(id ?? 0) ?? '')
  }
  let file: TocEntry | undefined
  return entries.map((entry, index) => {
    if (entry.type === 'reg') file = entry
    const content = contentOf(entry, file, entries[index + 1], isContainers)
    if (entry.type === 'chunk') return ['chunk', tocKey(entry.name), content]
    const { mode, uid, gid, linkName, modtime, devMajor, devMinor, userName, groupName, xattrs } = entry
    const numbers = [mode, uid, gid, devMajor, devMinor].map((value) => value ?? 0)
    const owner = [named(names.user, uid, userName), named(names.group, gid, groupName)]
    const link = entry.type === 'hardlink' ? tocKey(linkName ?? '') : (linkName ?? '')
    const seconds = Math.round(Date.parse(modtime || '1970-01-01T00:00:00Z') / 1000)
    const attributes = Object.entries(xattrs ?? {}).sort()
    return [
      entry.type,
      tocKey(entry.name),
      numbers,
      owner,
      link,
      seconds,
      attributes,
      entry.size ?? 0,
      content,
    ]
  })
}

function contentOf(
  entry: TocEntry,
  file: TocEntry | undefined,
  next: TocEntry | undefined,
  isContainers: boolean,
): unknown {
  const { type, size, offset, innerOffset, chunkOffset, chunkSize, chunkDigest, digest } = entry
  if (type === 'reg' && !size) return isContainers ? null : digest
  if (type !== 'reg' && type !== 'chunk') return null
  const start = chunkOffset ?? 0
  const bytes = chunkSize || (file?.size ?? 0) - start
  const isWhole = type === 'reg' && (next?.type !== 'chunk' || next.name !== entry.name)
  const proof = chunkDigest ?? (isWhole ? digest : undefined)
  return [offset ?? 0, innerOffset ?? 0, start, bytes, proof, type === 'reg' ? digest : null]
}

/** A TOC's entries changed one by one, around a sound layer: what verification says of it. */
export const tocEntries: FuzzTarget = {
  corpus: async () => {
    samples ??= soundSamples()
    return (await samples).map(({ toc }) => Buffer.from(JSON.stringify(toc)))
  },
  dictionary: ['"name":', '"type":"chunk"', '"xattrs":{', '"__proto__":', 'null', '[]', '{}', '1e308', ','],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof TocError,
  change: (random, context) => {
    const changed = changedToc(random.of(context.corpus), random)
    return changed ?? mutated(random, context)
  },
  run: async (json) => {
    samples ??= soundSamples()
    // What is no TOC is told before anything else is read: that is for toc-json.
    parseToc(json)
    const all = await samples
    const chosen = json.length % all.length
    return `${chosen} ${await verifiedWith(all[chosen] as Sample, json)}`
  },
}

async function verifiedWith({ layer: sound, toc }: Sample, json: Buffer): Promise<string> {
  const layer = { ...sound, annotations: { ...sound.annotations } }
  if (sound.mediaType.endsWith('gzip')) rebuild(layer, sound.blob.subarray(0, tocOffset(sound.blob)), json)
  else rebuildZstd(layer, { json }, 1)
  const content = new MemoryContentStore()
  const source = gzipSync(TAR, { level: 1 })
  const sides = [
    { blob: source, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', annotations: {} },
    layer,
  ].map(({ blob, mediaType, annotations }) => ({
    content,
    descriptor: { mediaType, digest: content.add(blob), size: blob.length, annotations },
  }))
  const codes = new Set<DifferenceCode>()
  const [left, right] = sides as [(typeof sides)[0], (typeof sides)[0]]
  const diffId = digestOf(TAR)
  await verifyLayer(
    { ...left, diffId },
    { ...right, diffId: digestOfTar(layer), tocs: { read: async () => undefined } },
    { add: (code) => void codes.add(code) },
    undefined,
  )
  if (codes.size === 0) requireSameMeaning(json, toc, toc.tarSplitDigest !== undefined)
  return [...codes].sort().join()
}

const digestOfTar = ({ blob }: LayerParts): Digest => digestOf(decompressed(blob))

/** Whatever a client would understand in another way is found. */
function requireSameMeaning(json: Buffer, sound: Toc, isContainers: boolean): void {
  assert.deepEqual(meaning(parseToc(json), isContainers), meaning(sound, isContainers))
}

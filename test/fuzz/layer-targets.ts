/** What comes out of an image: gzip, tar with its pax records, and the TOC of a converted layer. */
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { encodeFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import { chunksOf, type LayerToc, readToc, verifyContents } from '../../optimizer/estargz/reader.ts'
import { TocError } from '../../optimizer/estargz/toc.ts'
import { TarFormatError, TarLimitError } from '../../optimizer/tar/errors.ts'
import { GzipFormatError, gunzip } from '../../optimizer/tar/gunzip.ts'
import { BLOCK_BYTES } from '../../optimizer/tar/header.ts'
import { TarIndexer } from '../../optimizer/tar/indexer.ts'
import { formatPaxRecords, parsePaxRecords } from '../../optimizer/tar/pax.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { dir, file, link, paxHeader, raw, symlink, tarOf } from '../helpers/tar-language.ts'
import { convertTar, inPieces, readerOf } from '../helpers/tar-layer.ts'
import type { FuzzTarget } from './target.ts'

const TAR_BYTES_MAX = 96 * 1024
const isTarError = (error: unknown) => error instanceof TarFormatError || error instanceof TarLimitError

const PAX_WORDS = [
  ...[
    'path=',
    'linkpath=',
    'size=',
    'mtime=',
    'uid=',
    'gid=',
    'uname=',
    'SCHILY.xattr.user.a=',
    '30 mtime=1.5\n',
  ],
  ...['GNU.sparse.major=1\n', 'GNU.sparse.minor=0\n', 'GNU.sparse.name=a\n', 'GNU.sparse.realsize=9\n'],
  ...['GNU.sparse.map=0,1,5,1\n', 'GNU.sparse.size=', 'GNU.sparse.numblocks=', '22 GNU.sparse.major=1\n'],
]

function tars(): Buffer[] {
  const small = [
    tarOf([dir('a/'), file('a/b', 'content'), link('c', 'a/b'), symlink('d', 'a')]),
    tarOf([file('a', 'x', { format: 'pax', xattrs: { 'user.a': 'b' }, mtime: '1.25' })]),
    tarOf([file('n'.repeat(300), 'x', { format: 'gnu' }), raw('V', 'volume'), raw('S', 'sparse', 'y')]),
    tarOf([
      paxHeader('g', [['uid', '5']]),
      paxHeader('x', [
        ['path', 'b'],
        ['size', '3'],
      ]),
      file('a', 'abc'),
    ]),
    tarOf([]),
  ]
  return [...small, ...oddLayers({ containerdOnly: true }).map(({ tar }) => tar)].filter(
    ({ length }) => length <= TAR_BYTES_MAX,
  )
}

/** Header blocks with the checksum they should have: else nearly every change would be refused for it. */
function withChecksums(tar: Buffer): Buffer {
  const summed = Buffer.from(tar)
  for (let at = 0; at + BLOCK_BYTES <= summed.length; at += BLOCK_BYTES) {
    const block = summed.subarray(at, at + BLOCK_BYTES)
    if (block.toString('latin1', 257, 262) !== 'ustar') continue
    block.fill(0x20, 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  }
  return summed
}

function index(tar: Buffer, pieceBytes: number): TarIndexer {
  const indexer = new TarIndexer()
  for (let at = 0; at < tar.length; at += pieceBytes) indexer.push(tar.subarray(at, at + pieceBytes))
  indexer.end()
  return indexer
}

export const tarReader: FuzzTarget = {
  corpus: tars,
  dictionary: [
    ...PAX_WORDS,
    'ustar\0' + '00',
    'ustar  \0',
    '././@LongLink',
    '\x80\0\0\0\0\0\0\0\0\x01\0\0',
    '\xff\xff\xff\xff',
  ],
  inputBytesMax: TAR_BYTES_MAX,
  isRefusal: isTarError,
  run: (input) => {
    const tar = input.length % 4 === 0 ? input : withChecksums(input)
    const { entries, notes } = index(tar, Math.max(1, tar.length))
    // However the stream is cut, the entries are the same, and lie inside it.
    const again = index(tar, 1 + (tar.length % 701))
    assert.deepEqual(again.entries, entries)
    for (const { headerOffset, headerBytes, payloadOffset, payloadBytes } of entries) {
      assert.ok(headerBytes >= 0 && payloadBytes >= 0)
      assert.ok(
        Math.max(headerOffset + headerBytes, payloadBytes === 0 ? 0 : payloadOffset + payloadBytes) <=
          tar.length,
      )
    }
    const seen = new Set(
      entries.map(({ type, xattrs, sparse }) => [type, xattrs.length > 0, sparse !== undefined].join()),
    )
    return `${[...seen].sort().join(' ')} ${JSON.stringify(notes)}`
  },
}

export const paxReader: FuzzTarget = {
  corpus: () => [
    Buffer.from('11 path=abc\n30 mtime=1700000000.123456789\n'),
    Buffer.from('24 SCHILY.xattr.user.a=\0\n'),
  ],
  dictionary: [...PAX_WORDS, '\n', ' ', '=', '\0', '6 a=b\n', '5 a=\n', '99999999999'],
  inputBytesMax: 8192,
  isRefusal: isTarError,
  run: (input) => {
    const records = parsePaxRecords(input, 0)
    assert.deepEqual(parsePaxRecords(formatPaxRecords(records), 0), records)
    return `${Math.min(records.length, 20)} records`
  },
}

export const gzipReader: FuzzTarget = {
  corpus: () => {
    const members = [gzipSync('a member'), gzipSync(Buffer.alloc(3000, 'ab')), gzipSync('')]
    return [
      ...members,
      Buffer.concat(members),
      Buffer.concat([members[0] as Buffer, Buffer.from('something else')]),
    ]
  },
  dictionary: ['\x1f\x8b\x08', '\x1f\x8b\x08\x04', '\x1f\x8b\x08\x1f', '\0\0', '\xff\xff'],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof GzipFormatError,
  run: async (input) => {
    const pieceBytes = 1 + (input.length % 211)
    let bytes = 0
    for await (const piece of gunzip(inPieces(input, pieceBytes))) bytes += piece.length
    return `${Math.min(bytes, 100)} bytes`
  },
}

async function inspect(blob: Buffer): Promise<string> {
  // Past the end there is nothing to read: as a store's, this reader says so.
  const read = async (offset: number, bytes: number) => {
    const piece = await readerOf(blob)(offset, bytes)
    if (piece.length < bytes) throw new TocError('TOC_MALFORMED', 'the harness has no such bytes')
    return piece
  }
  const layer = await readToc(read, blob.length)
  if (layer === undefined) return 'no footer'
  const chunks = chunksOf(layer)
  const files = await verifyContents(read, layer)
  return `${Math.min(chunks.length, 10)} chunks of ${Math.min(files.size, 10)} files ${layer.landmark?.kind}`
}

async function sampleBlobs(): Promise<{ blob: Buffer; toc: LayerToc }[]> {
  const large = file('large', Buffer.alloc(3000, 'content'))
  const one = await convertTar(tarOf([dir('a/'), file('a/b', 'content'), large]), {
    prioritized: ['large'],
    chunkBytes: 1000,
  })
  const other = await convertTar(tarOf([file('only', 'x', { xattrs: { 'user.a': 'b' } })]))
  return [one, other]
}

/** A blob as it is, changed anywhere. */
export const tocBlob: FuzzTarget = {
  corpus: async () => (await sampleBlobs()).map(({ blob }) => blob),
  dictionary: ['STARGZ', 'SG\x16\0', '0000000000000000', 'ffffffffffffffff', '\x1f\x8b\x08\x04'],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof TocError,
  run: inspect,
}

/** The TOC's JSON changed, and put into a sound member at the end of a sound blob. */
export const tocJson: FuzzTarget = {
  corpus: async () => (await sampleBlobs()).map(({ toc }) => toc.json),
  dictionary: [
    ...[
      '"offset":',
      '"chunkOffset":',
      '"chunkSize":',
      '"size":',
      '"type":"chunk"',
      '"type":"reg"',
      '"name":"large"',
    ],
    ...[
      'null',
      '[]',
      '{}',
      '-1',
      '1e308',
      '0.5',
      '9007199254740993',
      '"__proto__":',
      '"xattrs":{',
      '"digest":"sha256:',
    ],
    ...['"entries":', '"version":1', '"chunkDigest":', '.prefetch.landmark', ','],
  ],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof TocError,
  run: async (input) => {
    const payload = Buffer.concat([gzipSync('content'), gzipSync(Buffer.alloc(1000, 'content'))])
    const member = gzipSync(Buffer.concat(tocMember([input])), { level: 1 })
    return await inspect(Buffer.concat([payload, member, encodeFooter(payload.length)]))
  },
}

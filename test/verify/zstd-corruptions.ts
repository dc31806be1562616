/** zstd:chunked layers of either dialect with a footer, a TOC or a frame that are not what they should be. */
import type { ZstdChunkedDialect } from '../../optimizer/estargz/zstd-footer.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { DifferenceCode } from '../../optimizer/verify/difference.ts'
import type { ImageParts } from '../helpers/converted-image.ts'
import { decompressed } from '../helpers/tar-layer.ts'
import { skippable, zstdFrame } from '../helpers/zstd.ts'
import { rebuildZstd, zstdLayerOf, zstdTocOf } from '../helpers/zstd-layer.ts'
import { type Corruption, sha256sum } from './corruption.ts'
import { bytes, entryOf, FILE, layerIn, putNumber, toc } from './zstd-corruption.ts'

const DIALECT_KEYS: Record<ZstdChunkedDialect, string> = {
  stargz: 'io.containers.zstd-chunked',
  containers: 'io.github.containers.zstd-chunked',
}

function annotation(
  what: string,
  change: (annotations: Record<string, string>) => void,
  codes: readonly DifferenceCode[],
  named: RegExp,
): Corruption {
  return {
    what,
    seed: (parts) => {
      change(layerIn(parts).annotations)
    },
    shown: (parts) => layerIn(parts).annotations,
    codes,
    named,
  }
}

/** The frame of the file's first chunk made anew, with the bytes behind it where they were. */
function otherFrame(parts: ImageParts, make: (content: Buffer) => Buffer): void {
  const layer = layerIn(parts)
  const zstd = zstdLayerOf(layer.blob)
  const { entries } = zstdTocOf(layer.blob)
  const start = entryOf(entries, FILE).offset ?? 0
  const end = entryOf(entries, FILE, 'chunk').offset ?? 0
  const frame = make(decompressed(zstd.content.subarray(start, end)))
  const moved = frame.length - (end - start)
  const later = (at: number) => (at > start ? at + moved : at)
  for (const entry of entries) {
    if (entry.offset !== undefined) entry.offset = later(entry.offset)
    if (entry.endOffset !== undefined) entry.endOffset = later(entry.endOffset)
  }
  const content = Buffer.concat([zstd.content.subarray(0, start), frame, zstd.content.subarray(end)])
  const json = Buffer.from(JSON.stringify({ ...JSON.parse(zstd.json.toString()), entries }))
  rebuildZstd(layer, { content, json })
}

export function zstdCorruptions(dialect: ZstdChunkedDialect): Corruption[] {
  const key = DIALECT_KEYS[dialect]
  const other = DIALECT_KEYS[dialect === 'stargz' ? 'containers' : 'stargz']
  const footerBytes = dialect === 'stargz' ? 40 : 64
  const split: DifferenceCode[] = dialect === 'stargz' ? [] : ['TAR_SPLIT']
  return [
    toc(
      'a mode in the TOC',
      (entries) => {
        entryOf(entries, FILE).mode = 0o600
      },
      ['TOC_FIELD'],
      /^app\/data: mode: the tar has /,
    ),
    toc(
      'a modification time of no day in the TOC',
      (entries) => {
        entryOf(entries, FILE).modtime = '2024-02-31T25:00:00Z'
      },
      ['TOC_FIELD'],
      /^app\/data: modtime: the tar has .*the TOC 2024-02-31/,
    ),
    toc(
      'a size in the TOC that is a text',
      (entries) => {
        Object.assign(entryOf(entries, FILE), { linkName: 5 })
      },
      ['TOC_MALFORMED'],
      /entry \d+ of the TOC is malformed: its linkName/,
    ),
    toc(
      "a file's digest in the TOC",
      (entries) => {
        entryOf(entries, FILE).digest = digestOf('other')
      },
      ['TOC_FILE_DIGEST'],
      /^app\/data: the content has sha256/,
    ),
    toc(
      "a chunk's digest in the TOC",
      (entries) => {
        entryOf(entries, FILE, 'chunk').chunkDigest = digestOf('other')
      },
      ['CHUNK_DIGEST'],
      /^app\/data: at 4096: the content has sha256/,
    ),
    toc(
      "an offset that leads to another file's frame",
      (entries) => {
        entryOf(entries, FILE).offset = entryOf(entries, 'app/main').offset as number
      },
      ['CHUNK_OFFSET'],
      /^app\/data: at 0: offset \d+ \(\+0\) leads to byte/,
    ),
    toc(
      'an offset one byte beside its frame',
      (entries) => {
        const entry = entryOf(entries, FILE)
        entry.offset = (entry.offset ?? 0) + 1
      },
      ['CHUNK_OFFSET'],
      /^app\/data: at 0: nothing begins at offset/,
    ),
    toc(
      'an entry left out of the TOC',
      (entries) => {
        entries.splice(entries.indexOf(entryOf(entries, 'app/main')), 1)
      },
      ['TOC_ENTRY_MISSING'],
      /^app\/main: a reg in the tar/,
    ),
    annotation(
      "the TOC's position in its annotation",
      (annotations) => {
        annotations[`${key}.manifest-position`] = '1:2:3:1'
      },
      ['ANNOTATION_WRONG'],
      /manifest-position: the blob has \d+:\d+:\d+:1, said is 1:2:3:1/,
    ),
    annotation(
      "the TOC's checksum in its annotation",
      (annotations) => {
        annotations[`${key}.manifest-checksum`] = digestOf('other')
      },
      ['ANNOTATION_WRONG'],
      /manifest-checksum: the blob has sha256/,
    ),
    annotation(
      "the annotation of the TOC's checksum lost",
      (annotations) => {
        delete annotations[`${key}.manifest-checksum`]
      },
      ['ANNOTATION_MISSING'],
      /manifest-checksum should be sha256/,
    ),
    annotation(
      'an annotation of the other dialect',
      (annotations) => {
        annotations[`${other}.manifest-checksum`] = digestOf('other')
      },
      ['ANNOTATION_WRONG'],
      /manifest-checksum promises what the blob has not/,
    ),
    bytes(
      'a footer without its mark',
      (blob) => void blob.write('nothing!', blob.length - 8),
      ['FOOTER'],
      /promises a TOC, but the blob ends without a footer/,
    ),
    bytes(
      'a footer that leads beside the TOC',
      (blob, [at = 0]) => putNumber(blob, footerBytes, at + 1),
      ['TOC_MALFORMED'],
      /the footer names the offset/,
    ),
    bytes(
      'a footer that says that the TOC is longer',
      (blob, [, , size = 0]) => putNumber(blob, footerBytes - 16, size + 1),
      ['TOC_MALFORMED'],
      /the TOC is \d+ bytes, the footer says/,
    ),
    bytes(
      'a footer that says that the TOC fills the memory',
      (blob) => putNumber(blob, footerBytes - 16, 2 ** 40),
      ['TOC_MALFORMED'],
      /the TOC is 1099511627776 bytes, more than any layer's/,
    ),
    bytes(
      'a TOC whose frame has another length',
      (blob, [at = 0, size = 0]) => void blob.writeUInt32LE(size - 1, at - 4),
      ['COMPRESSION', 'TOC_MALFORMED'],
      /the TOC is not in a skippable frame of/,
    ),
    bytes(
      "a byte of the TOC's frame",
      (blob, [at = 0, size = 0]) => {
        const middle = at + (size >> 1)
        blob[middle] = (blob[middle] as number) ^ 0x55
      },
      ['TOC_MALFORMED'],
      /the TOC cannot be decompressed/,
    ),
    {
      what: "a byte of a chunk's frame",
      seed: (parts) => {
        const layer = layerIn(parts)
        const at = (entryOf(zstdTocOf(layer.blob).entries, FILE).offset ?? 0) + 30
        layer.stored = Buffer.from(layer.blob)
        layer.stored[at] = (layer.stored[at] as number) ^ 0xff
      },
      shown: (parts) => sha256sum(layerIn(parts).stored ?? layerIn(parts).blob),
      codes: ['BLOB_DIGEST', 'COMPRESSION'],
      named: /the blob sha256:\w+ has the digest/,
    },
    {
      what: 'a frame with another content of the same length',
      seed: (parts) => {
        otherFrame(parts, (content) => zstdFrame(Buffer.concat([Buffer.from('X'), content.subarray(1)])))
      },
      shown: (parts) => sha256sum(decompressed(layerIn(parts).blob)),
      codes: ['CHUNK_DIGEST', 'ENTRY_CONTENT', 'FILE_CONTENT', 'TOC_FILE_DIGEST', ...split],
      named: /^app\/data: at 0: the content has sha256/,
    },
    {
      what: 'a chunk that two frames hold',
      seed: (parts) => {
        otherFrame(parts, (content) => {
          const frames = [content.subarray(0, 100), content.subarray(100)].map((part) => zstdFrame(part))
          return Buffer.concat([skippable('between'), ...frames])
        })
        const toc = zstdTocOf(layerIn(parts).blob)
        const entry = entryOf(toc.entries, FILE)
        const { content } = zstdLayerOf(layerIn(parts).blob)
        // The second of the two, where nothing of the file begins.
        entry.offset = content.indexOf(Buffer.from('28b52ffd', 'hex'), (entry.offset ?? 0) + 20)
        rebuildZstd(layerIn(parts), { json: Buffer.from(JSON.stringify(toc)) })
      },
      shown: (parts) => zstdTocOf(layerIn(parts).blob).entries.map(({ offset }) => offset),
      codes: ['CHUNK_OFFSET'],
      named: /^app\/data: at 0: offset \d+ \(\+0\) leads to byte/,
    },
  ]
}

/**
 * What an eStargz blob has beyond gzip members of a tar: a landmark among the entries, the TOC as last entry in a
 * member of its own, a footer that says where that is.
 *
 * @see stargz-snapshotter, docs/estargz.md, "Footer"; RFC 1952, section 2.3.1.1, "Extra field"
 */
import type { TarEntry } from '../tar/entry.ts'
import { NO_PREFETCH_LANDMARK, PREFETCH_LANDMARK, TOC_NAME } from '../tar/format-names.ts'
import { encodeHeader } from '../tar/generate.ts'
import { FLAG, paddingBytes, ZERO_BLOCK } from '../tar/header.ts'
import type { PlannedEntry } from './members.ts'

export const FOOTER_BYTES = 51
/** Of stargz, before the "e": no subfield header in the extra field. */
export const LEGACY_FOOTER_BYTES = 47

/** Of a blob whose TOC is in another image. */
export const EXTERNAL_TOC_FOOTER_BYTES = 46

const LANDMARK_CONTENT = Buffer.of(0x0f)
const SUBFIELD_BYTES = 22
const EXTERNAL_TOC_MARK = 'STARGZEXTERNALTOC'

/** `1f 8b` … an empty gzip member whose extra field holds the TOC's offset in 16 hex digits and "STARGZ". */
export function encodeFooter(tocOffset: number): Buffer {
  return emptyMember(Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`))
}

/** Of a blob whose TOC is in another image. */
export function encodeExternalTocFooter(): Buffer {
  return emptyMember(Buffer.from(EXTERNAL_TOC_MARK))
}

/** @param tail the last bytes of a blob */
export function isExternalTocFooter(tail: Buffer): boolean {
  return tail.subarray(-EXTERNAL_TOC_FOOTER_BYTES).equals(encodeExternalTocFooter())
}

/** A gzip member without content that carries `subfield` in its extra field. */
function emptyMember(subfield: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]), // 10  ID1 ID2 CM FLG=FEXTRA MTIME XFL OS
    u16le(4 + subfield.length), // 2  XLEN
    Buffer.from('SG'), // 2  SI1 SI2
    u16le(subfield.length), // 2  LEN
    subfield,
    Buffer.from([1, 0, 0, 0xff, 0xff]), // 5  empty stored block, the last
    Buffer.alloc(8), // 8  CRC32 ISIZE
  ])
}

/** @param tail the last bytes of a blob, at least FOOTER_BYTES where it has so many */
export function parseFooter(tail: Buffer): { tocOffset: number; footerBytes: number } | undefined {
  for (const [footerBytes, xlen, prefix] of [
    [FOOTER_BYTES, SUBFIELD_BYTES + 4, 'SG\x16\0'],
    [LEGACY_FOOTER_BYTES, SUBFIELD_BYTES, ''],
  ] as const) {
    if (tail.length < footerBytes) continue
    const footer = tail.subarray(tail.length - footerBytes)
    const gzip = footer[0] === 0x1f && footer[1] === 0x8b && footer[2] === 8 && (footer[3] as number) === 4
    if (!gzip || footer.readUInt16LE(10) !== xlen) continue
    const extra = footer.toString('latin1', 12, 12 + xlen)
    const match = /^([0-9a-f]{16})STARGZ$/.exec(extra.slice(prefix.length))
    if (!extra.startsWith(prefix) || match === null) continue
    const tocOffset = Number.parseInt(match[1] as string, 16)
    if (Number.isSafeInteger(tocOffset)) return { tocOffset, footerBytes }
  }
  return undefined
}

function u16le(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

/** @param prefetch whether anything lies before it that is worth fetching ahead */
export function landmark(prefetch: boolean): PlannedEntry {
  const name = prefetch ? PREFETCH_LANDMARK : NO_PREFETCH_LANDMARK
  return { entry: addedEntry(name, LANDMARK_CONTENT.length), content: LANDMARK_CONTENT }
}

function addedEntry(name: string, sizeBytes: number): TarEntry {
  const empty = Buffer.alloc(0)
  return {
    index: -1,
    type: 'reg',
    path: name,
    name: Buffer.from(name),
    linkName: empty,
    linkPath: '',
    headerOffset: 0,
    headerBytes: 0,
    payloadOffset: 0,
    payloadBytes: 0,
    sizeBytes,
    replacementHeader: addedHeader(name, sizeBytes),
    mode: 0,
    uid: 0,
    gid: 0,
    userName: empty,
    groupName: empty,
    mtimeNanoseconds: 0n,
    devMajor: 0,
    devMinor: 0,
    xattrs: [],
  }
}

function addedHeader(name: string, sizeBytes: number): Buffer {
  return encodeHeader({ flag: FLAG.reg, name: Buffer.from(name), sizeBytes })
}

/** The uncompressed last member: the TOC as a tar entry, then the end of the archive. */
export function tocMember(json: readonly Buffer[]): Buffer[] {
  const jsonBytes = json.reduce((sum, piece) => sum + piece.length, 0)
  return [
    addedHeader(TOC_NAME, jsonBytes),
    ...json,
    Buffer.alloc(paddingBytes(jsonBytes)),
    ZERO_BLOCK,
    ZERO_BLOCK,
  ]
}

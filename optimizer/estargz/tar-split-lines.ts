/**
 * Tar-split data read back, a line at a time, out of the compressed bytes: as text they would be the largest thing in
 * memory.
 *
 * @see tar-split, tar/storage/entry.go
 */
import { ZstdDecompressor } from '../../native/zstd.ts'
import { messageOf } from '../../shared/errors.ts'
import { TocError } from './toc.ts'

export type TarSplitLine =
  /** Bytes of the tar that belong to no content. */
  | { kind: 'segment'; bytes: Buffer }
  /** A file's content belongs here. */
  | { kind: 'file'; name: Buffer; sizeBytes: number; checksum: Buffer | null }

const FILE = 1
const SEGMENT = 2
const OUTPUT_BYTES = 128 * 1024
/** A segment holds the headers of one entry, with extension records of at most some MiB, or what ends an archive. */
const LINE_BYTES_MAX = 64 * 1024 ** 2
const NEWLINE = 0x0a

/**
 * @param compressed zstd frames
 * @param saidBytes what they are said to hold
 * @throws {TocError} TOC_MALFORMED
 */
export function* tarSplitLines(compressed: Buffer, saidBytes: number): Generator<TarSplitLine> {
  let position = 0
  for (const text of textLines(compressed, saidBytes)) yield parseLine(text, position++)
}

function* textLines(compressed: Buffer, saidBytes: number): Generator<Buffer> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let bytes = 0
  for (const piece of decompressed(compressed)) {
    bytes += piece.length
    if (bytes > saidBytes) throw malformed(`hold more than the ${saidBytes} bytes that are said`)
    let rest = piece
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield Buffer.concat([...waiting, rest.subarray(0, end)])
      waiting = []
      waitingBytes = 0
      rest = rest.subarray(end + 1)
    }
    waitingBytes += rest.length
    if (waitingBytes > LINE_BYTES_MAX) throw malformed(`have a line of more than ${LINE_BYTES_MAX} bytes`)
    if (rest.length > 0) waiting.push(rest)
  }
  if (bytes !== saidBytes) throw malformed(`hold ${bytes} bytes, said are ${saidBytes}`)
  if (waitingBytes > 0) yield Buffer.concat(waiting)
}

function* decompressed(compressed: Buffer): Generator<Buffer> {
  const decompressor = new ZstdDecompressor()
  let input = compressed
  for (;;) {
    const output = Buffer.allocUnsafe(OUTPUT_BYTES)
    let produced: number
    try {
      const step = decompressor.step(input, output)
      produced = step.produced
      input = input.subarray(step.consumed)
    } catch (cause) {
      throw malformed(`cannot be decompressed: ${messageOf(cause)}`, cause)
    }
    if (produced > 0) yield output.subarray(0, produced)
    if (input.length === 0 && produced < output.length) break
  }
  if (decompressor.inFrame) throw malformed('end inside a frame')
}

function parseLine(text: Buffer, index: number): TarSplitLine {
  let line: { type?: unknown; name?: unknown; name_raw?: unknown; size?: unknown; payload?: unknown }
  try {
    line = JSON.parse(text.toString('utf8')) ?? {}
  } catch (cause) {
    throw malformed(`have a line ${index} that is no JSON`, cause)
  }
  const { type, name = '', name_raw: rawName = '', size = 0, payload = null } = line
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'base64') : null
  if (type === SEGMENT && bytes !== null) return { kind: 'segment', bytes }
  const isFile = type === FILE && typeof name === 'string' && typeof rawName === 'string'
  if (isFile && Number.isSafeInteger(size) && (size as number) >= 0 && (bytes !== null || payload === null)) {
    // Of a name that is not UTF-8 the bytes are there, in base64.
    const nameBytes = rawName === '' ? Buffer.from(name) : Buffer.from(rawName, 'base64')
    return { kind: 'file', name: nameBytes, sizeBytes: size as number, checksum: bytes }
  }
  throw malformed(`have a line ${index} that is neither a segment nor a file`)
}

function malformed(what: string, cause?: unknown): TocError {
  return new TocError('TOC_MALFORMED', `the tar-split data ${what}`, cause === undefined ? {} : { cause })
}

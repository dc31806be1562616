/** The TOC of eStargz as it is stored: the first entry of a tar, in gzip. Nothing is allocated on a blob's word alone. */
import { promisify } from 'node:util'
import { createGunzip, gunzip } from 'node:zlib'
import { messageOf } from '../../shared/errors.ts'
import { TOC_NAME } from '../tar/format-names.ts'
import { BLOCK_BYTES, parseHeader } from '../tar/header.ts'
import { TocError } from './toc.ts'

const gunzipBuffer = promisify(gunzip)

/** A longer TOC is no layer's, some two million entries, and no longer text for JSON.parse. */
export const TOC_BYTES_MAX = 500 * 1024 ** 2
/** As it is stored. JSON of digests compresses to a third, of the same names far below. */
export const STORED_TOC_BYTES_MAX = 250 * 1024 ** 2
/** What may follow the TOC in its member: padding, and the end of the archive. */
const SURPLUS_BYTES_MAX = 1024 ** 2

/** @throws {TocError} more than {@link STORED_TOC_BYTES_MAX}: known before anything is read */
export function requireStoredTocBytes(bytes: number): void {
  if (bytes > STORED_TOC_BYTES_MAX) throw malformed(`the TOC takes ${bytes} bytes, more than any layer's`)
}

/** @param member all of it, nothing else. @throws {TocError} */
export async function tocJson(member: Buffer): Promise<Buffer> {
  const { name, sizeBytes } = await headerOf(member)
  if (sizeBytes > TOC_BYTES_MAX) throw malformed(`the TOC is ${sizeBytes} bytes, more than any layer's`)
  const tar = await unreadable(inflate(member, BLOCK_BYTES + sizeBytes + SURPLUS_BYTES_MAX))
  const json = tar.subarray(BLOCK_BYTES, BLOCK_BYTES + sizeBytes)
  if (name === TOC_NAME && json.length === sizeBytes) return json
  throw malformed(`the TOC's member does not hold a whole ${TOC_NAME}`)
}

/** @throws zlib's errors, also for more output than this */
export async function inflate(member: Buffer, outputBytesMax: number): Promise<Buffer> {
  return await gunzipBuffer(member, { maxOutputLength: outputBytesMax })
}

/** The tar header that the member begins with: it says how much follows. */
async function headerOf(member: Buffer): Promise<{ name: string; sizeBytes: number }> {
  const block = await unreadable(firstBlock(member))
  try {
    const { name, sizeBytes } = parseHeader(block, 0)
    return { name: name.toString('latin1'), sizeBytes }
  } catch (cause) {
    throw malformed(`the TOC's member holds no tar entry: ${messageOf(cause)}`, cause)
  }
}

/** The stream is left, and so destroyed, as soon as it has given so much. */
async function firstBlock(member: Buffer): Promise<Buffer> {
  let block: Buffer = Buffer.alloc(0)
  for await (const piece of createGunzip({ chunkSize: BLOCK_BYTES }).end(member)) {
    block = Buffer.concat([block, piece as Buffer])
    if (block.length >= BLOCK_BYTES) break
  }
  return block.subarray(0, BLOCK_BYTES)
}

async function unreadable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    throw malformed(`the TOC's gzip member cannot be read: ${messageOf(cause)}`, cause)
  }
}

function malformed(what: string, cause?: unknown): TocError {
  return new TocError('TOC_MALFORMED', what, cause === undefined ? {} : { cause })
}

/**
 * Any number of members, then zeros, as gzip pads to whole blocks. Other bytes behind the last member are refused, as
 * Go's compress/gzip does it, which unpacks layers, and as it is with zstd. Most layers are one member: it is inflated
 * alone, so that where it ends is known.
 *
 * @see RFC 1952; GNU gzip's manual, "Tapes"
 */
import { once } from 'node:events'
import type { Transform } from 'node:stream'
import { constants, createGunzip, createInflateRaw, type Gunzip, type InflateRaw } from 'node:zlib'
import { createInflater, type Inflater } from '../../native/inflate.ts'
import { releaseMemory } from '../../native/memory.ts'
import { messageOf, systemCodeOf } from '../../shared/errors.ts'
import { GzipFormatError, GzipInput } from './gzip-input.ts'
import { inflated, PieceMemory } from './inflated.ts'

export { GzipFormatError } from './gzip-input.ts'

/** Each piece is new memory, gone with the next collection: larger ones raise the peak and gain nothing. */
const OUTPUT_BYTES = 128 * 1024
const TRAILER_BYTES = 8
const NO_MEMBER = 'what follows its last member is neither a member nor zeros'
/** zlib's word for it. */
const NO_HEADER = 'incorrect header check'
/** Names and comments in a header have no bound of their own. */
const HEADER_BYTES_MAX = 256 * 1024
const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

export interface GunzipOptions {
  /** A piece is good until the second one after it is asked for; else for ever. */
  lendsPieces?: boolean
}

/** @throws {GzipFormatError}; errors of the source as they are */
export async function* gunzip(
  source: AsyncIterable<Buffer>,
  { lendsPieces = false }: GunzipOptions = {},
): AsyncGenerator<Buffer> {
  const input = new GzipInput(source)
  const inflater = createInflater()
  const first = member(input, inflater, new PieceMemory({ isLent: lendsPieces }))
  yield* lendsPieces && inflater === undefined ? lent(first) : first
  const next = await input.peek((bytes) => (bytes.length < 2 ? undefined : isGzip(bytes)))
  if (next === true) {
    const content = through(createGunzip({ chunkSize: OUTPUT_BYTES }), input)
    yield* lendsPieces ? lent(content) : content
  }
  await requireZeros(input)
}

/** Their memory goes back when it may be used again. */
async function* lent(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let before: Buffer | undefined
  for await (const piece of pieces) {
    yield piece
    if (before !== undefined) releaseMemory(before)
    before = piece
  }
}

/** zlib's stream ends with the members, or at the first zero behind one. */
async function requireZeros(input: GzipInput): Promise<void> {
  for (let piece = await input.next(); piece !== undefined; piece = await input.next())
    if (piece.some((byte) => byte !== 0)) throw new GzipFormatError(NO_MEMBER)
}

/**
 * The same, each member by itself: slower, but it tells where they begin.
 * @param onMember told of each member's offset in the compressed stream, before its first byte comes out
 * @throws {GzipFormatError} also for what follows the last member and is none
 */
export async function* gunzipMembers(
  source: AsyncIterable<Buffer>,
  onMember: (offset: number) => void,
): AsyncGenerator<Buffer> {
  const input = new GzipInput(source)
  const inflater = createInflater()
  const memory = new PieceMemory({ isLent: false })
  do {
    onMember(input.position)
    yield* member(input, inflater, memory)
  } while ((await input.peek((bytes) => (bytes.length === 0 ? undefined : true))) === true)
}

/** One member, header to trailer. @param inflater undefined: zlib does it, in memory of its own */
async function* member(
  input: GzipInput,
  inflater: Inflater | undefined,
  memory: PieceMemory,
): AsyncGenerator<Buffer> {
  const header = await input.peek(headerBytes)
  if (header === undefined) throw new GzipFormatError('it ends inside a header')
  input.skip(header)
  let contentBytes = 0
  const content =
    inflater === undefined
      ? through(createInflateRaw({ chunkSize: OUTPUT_BYTES }), input)
      : inflated(inflater, input, memory)
  for await (const piece of content) {
    contentBytes += piece.length
    yield piece
  }
  // The CRC before it needs no look: the diff ID, which is checked, says more.
  const saidBytes = await input.peek((bytes) =>
    bytes.length < TRAILER_BYTES ? undefined : bytes.readUInt32LE(4),
  )
  if (saidBytes === undefined) throw new GzipFormatError('it ends inside a member')
  if (saidBytes !== contentBytes % 2 ** 32) {
    throw new GzipFormatError(`a member holds ${contentBytes} bytes but says ${saidBytes}`)
  }
  input.skip(TRAILER_BYTES)
}

/** Length of a member's header; undefined while `bytes` does not hold all of it. @throws {GzipFormatError} */
function headerBytes(bytes: Buffer): number | undefined {
  if (bytes.length < 10) return undefined
  if (!isGzip(bytes) || bytes[2] !== 8) throw new GzipFormatError('it does not begin with a gzip header')
  const flags = bytes[3] as number
  let at = 10
  if ((flags & FLAG.extra) !== 0) {
    if (bytes.length < at + 2) return undefined
    at += 2 + bytes.readUInt16LE(at)
  }
  for (const flag of [FLAG.name, FLAG.comment]) {
    if ((flags & flag) === 0) continue
    const nul = bytes.indexOf(0, at)
    if (nul < 0 && bytes.length > HEADER_BYTES_MAX) throw new GzipFormatError('its header is too long')
    if (nul < 0) return undefined
    at = nul + 1
  }
  if ((flags & FLAG.headerCrc) !== 0) at += 2
  return at <= bytes.length ? at : undefined
}

/** Output of a zlib stream fed from `input`; what it leaves of its input is given back. */
async function* through(engine: (InflateRaw | Gunzip) & Transform, input: GzipInput): AsyncGenerator<Buffer> {
  const closed = new AbortController()
  const fed: { piece: Buffer; end: number }[] = []
  const feeding = feed(engine, input, fed, closed.signal)
  try {
    yield* engine as AsyncIterable<Buffer>
  } catch (cause) {
    if (!systemCodeOf(cause)?.startsWith('Z_')) throw cause
    const cutOff = (cause as { errno?: unknown }).errno === constants.Z_BUF_ERROR
    const what = messageOf(cause)
    const told = cutOff ? 'it ends inside a member' : what === NO_HEADER ? NO_MEMBER : what
    throw new GzipFormatError(told, { cause })
  } finally {
    closed.abort()
    engine.destroy()
    await feeding
  }
  const consumed = engine.bytesWritten
  input.giveBack(
    fed.map(({ piece, end }) => piece.subarray(Math.max(0, piece.length - Math.max(0, end - consumed)))),
  )
}

/** Writes pieces until the input or the engine ends; keeps in `fed` those that are not wholly consumed. */
async function feed(
  engine: (InflateRaw | Gunzip) & Transform,
  input: GzipInput,
  fed: { piece: Buffer; end: number }[],
  closed: AbortSignal,
): Promise<void> {
  let end = 0
  try {
    while (!closed.aborted) {
      const piece = await input.next()
      if (piece === undefined) break
      if (closed.aborted) {
        input.giveBack([piece])
        return
      }
      end += piece.length
      while (fed.length > 0 && (fed[0] as { end: number }).end <= engine.bytesWritten) fed.shift()
      fed.push({ piece, end })
      if (!engine.write(piece)) await once(engine, 'drain', { signal: closed })
    }
    engine.end()
  } catch (error) {
    // Aborted while waiting for 'drain' means that the engine has ended; all else is the source's failure.
    if (!closed.aborted) engine.destroy(error as Error)
  }
}

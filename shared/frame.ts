/**
 * Length-prefixed frames: a u32 payload length in network byte order, then the payload.
 * Pure and pulled: no I/O here, and a length is checked before its bytes are held.
 *
 * @see docs/protocol.md, "Frames"
 */
import { CodedError } from './errors.ts'

export const FRAME_HEADER_BYTES = 4
/** A larger payload is refused by both sides, before it is read. */
export const FRAME_PAYLOAD_BYTES_MAX = 1024 * 1024

/** The byte stream is not a sequence of frames. Codes: FRAME_TOO_LARGE, FRAME_EMPTY, FRAME_TRUNCATED. */
export class FrameError extends CodedError {}

/** Header and payload in one buffer. @throws {FrameError} FRAME_EMPTY, FRAME_TOO_LARGE */
export function encodeFrame(payload: Uint8Array): Buffer {
  checkPayloadBytes(payload.length)
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length)
  frame.writeUInt32BE(payload.length, 0)
  frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}

/**
 * Yields each payload of a byte stream, however the stream is cut.
 * Pieces are kept in a list and joined once per frame: joining at every read would be quadratic.
 *
 * @throws {FrameError} at the first bad length, or FRAME_TRUNCATED when the stream ends inside a frame
 */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pending: Buffer[] = []
  let pendingBytes = 0
  let neededBytes = FRAME_HEADER_BYTES
  let headerRead = false

  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    while (pendingBytes + rest.length >= neededBytes) {
      const takenBytes = neededBytes - pendingBytes
      pending.push(rest.subarray(0, takenBytes))
      rest = rest.subarray(takenBytes)
      const whole = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending, neededBytes)
      pending.length = 0
      pendingBytes = 0
      if (headerRead) {
        headerRead = false
        neededBytes = FRAME_HEADER_BYTES
        yield whole
      } else {
        neededBytes = whole.readUInt32BE(0)
        checkPayloadBytes(neededBytes)
        headerRead = true
      }
    }
    if (rest.length > 0) {
      pending.push(rest)
      pendingBytes += rest.length
    }
  }
  if (pendingBytes > 0 || headerRead) {
    throw new FrameError(
      'FRAME_TRUNCATED',
      `the stream ended inside a frame: ${pendingBytes} of ${neededBytes} bytes of its ${headerRead ? 'payload' : 'header'} had arrived`,
    )
  }
}

function checkPayloadBytes(payloadBytes: number): void {
  if (payloadBytes === 0) throw new FrameError('FRAME_EMPTY', 'a frame announces a payload of 0 bytes')
  if (payloadBytes > FRAME_PAYLOAD_BYTES_MAX) {
    throw new FrameError(
      'FRAME_TOO_LARGE',
      `a frame announces ${payloadBytes} bytes, at most ${FRAME_PAYLOAD_BYTES_MAX} are allowed`,
    )
  }
}

/** A thread that compresses: batches in, members and digests out. Memory is shared, nothing is copied between. */
import * as crypto from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { MemberCompressor } from '../../native/compression.ts'
import { messageOf } from '../../shared/errors.ts'
import { type Codec, createCompressor } from './codec.ts'

/** Members lie one after the other in `input`. */
export interface CompressRequest {
  id: number
  codec: Codec
  input: SharedArrayBuffer
  output: SharedArrayBuffer
  memberLengths: Uint32Array
  /** What to hash: start in `input` and length, in pairs. */
  payloads: Uint32Array
}

export type CompressReply =
  | {
      id: number
      /** Compressed lengths; the members lie one after the other in `output`. */
      memberLengths: Uint32Array
      /** sha256 of each payload, in hex. */
      payloadDigests: string[]
    }
  | { id: number; error: string }

/** In hex; at once where Node can: a layer has tens of thousands of small files. */
function sha256(bytes: Uint8Array): string {
  return crypto.hash?.('sha256', bytes, 'hex') ?? crypto.createHash('sha256').update(bytes).digest('hex')
}

if (parentPort !== null) {
  const port = parentPort
  const compressors = new Map<string, MemberCompressor>()

  const compressorOf = (codec: Codec): MemberCompressor => {
    const key = `${codec.engine} ${codec.level}`
    const compressor = compressors.get(key) ?? createCompressor(codec)
    compressors.set(key, compressor)
    return compressor
  }

  const compress = (request: CompressRequest): CompressReply => {
    const input = new Uint8Array(request.input)
    const memberLengths = new Uint32Array(request.memberLengths.length)
    const output = new Uint8Array(request.output)
    compressorOf(request.codec).compress(input, request.memberLengths, output, memberLengths)
    const payloadDigests: string[] = []
    for (let index = 0; index < request.payloads.length; index += 2) {
      const start = request.payloads[index] as number
      const payload = input.subarray(start, start + (request.payloads[index + 1] as number))
      payloadDigests.push(sha256(payload))
    }
    return { id: request.id, memberLengths, payloadDigests }
  }

  port.on('message', (request: CompressRequest) => {
    try {
      port.postMessage(compress(request))
    } catch (error) {
      port.postMessage({ id: request.id, error: messageOf(error) } satisfies CompressReply)
    }
  })
}

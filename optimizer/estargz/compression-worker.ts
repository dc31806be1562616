/** A thread that compresses: batches in, members and digests out. Memory is shared, nothing is copied between. */
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { createMemberCompressor, type EngineName } from '../../native/compression.ts'
import { messageOf } from '../../shared/errors.ts'

export interface WorkerData {
  level: number
  engine: EngineName
}

/** Members lie one after the other in `input`, each beginning with its payload. */
export interface CompressRequest {
  id: number
  input: SharedArrayBuffer
  output: SharedArrayBuffer
  memberLengths: Uint32Array
  payloadLengths: Uint32Array
}

export type CompressReply =
  | {
      id: number
      /** Compressed lengths; the members lie one after the other in `output`. */
      memberLengths: Uint32Array
      /** sha256 of each payload, in hex; empty where there is none. */
      payloadDigests: string[]
    }
  | { id: number; error: string }

if (parentPort !== null) {
  const port = parentPort
  const { level, engine } = workerData as WorkerData
  const compressor = createMemberCompressor(level, engine)

  const compress = (request: CompressRequest): CompressReply => {
    const input = new Uint8Array(request.input)
    const memberLengths = new Uint32Array(request.memberLengths.length)
    compressor.compress(input, request.memberLengths, new Uint8Array(request.output), memberLengths)
    let start = 0
    const payloadDigests = Array.from(request.memberLengths, (memberBytes, index) => {
      const payload = input.subarray(start, start + (request.payloadLengths[index] as number))
      start += memberBytes
      return payload.length === 0 ? '' : createHash('sha256').update(payload).digest('hex')
    })
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

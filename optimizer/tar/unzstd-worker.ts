/** A thread that decompresses one zstd stream: pieces in, pieces out, no more of them than it was asked for. */
import { parentPort } from 'node:worker_threads'
import { ZstdDecompressor } from '../../native/zstd.ts'
import { messageOf } from '../../shared/errors.ts'

export type UnzstdRequest =
  | { kind: 'input'; piece: Uint8Array<ArrayBuffer> }
  | { kind: 'end' }
  /** One more piece of output may be sent. */
  | { kind: 'credit' }

export type UnzstdReply =
  | { kind: 'output'; piece: Uint8Array<ArrayBuffer> }
  /** A piece of input is used up. */
  | { kind: 'taken' }
  /** All output was sent. `inFrame`: the input ended too early. */
  | { kind: 'end'; inFrame: boolean }
  | { kind: 'error'; message: string }

/** As much as a piece of inflated gzip. */
const OUTPUT_BYTES = 128 * 1024

if (parentPort !== null) {
  const port = parentPort
  const decompressor = new ZstdDecompressor()
  const inputs: Uint8Array[] = []
  let output: Uint8Array<ArrayBuffer> = new Uint8Array(OUTPUT_BYTES)
  let filled = 0
  let credits = 0
  let ended = false

  const reply = (message: UnzstdReply) => port.postMessage(message)

  const send = () => {
    const piece = output.subarray(0, filled)
    port.postMessage({ kind: 'output', piece } satisfies UnzstdReply, [output.buffer])
    output = new Uint8Array(OUTPUT_BYTES)
    filled = 0
    credits--
  }

  /** A full output may hide more that the decompressor holds back: it is asked again with whatever input there is. */
  const advance = () => {
    const input = inputs[0] ?? new Uint8Array(0)
    const { consumed, produced } = decompressor.step(input, output.subarray(filled))
    filled += produced
    if (inputs.length > 0 && consumed === input.length) {
      inputs.shift()
      reply({ kind: 'taken' })
    } else if (inputs.length > 0) inputs[0] = input.subarray(consumed)
    return consumed > 0 || produced > 0
  }

  const pump = () => {
    while (credits > 0) {
      const moved = filled < OUTPUT_BYTES && advance()
      if (filled === OUTPUT_BYTES) send()
      else if (!moved && inputs.length === 0) break
    }
    if (!ended || inputs.length > 0 || credits === 0) return
    if (filled > 0) send()
    reply({ kind: 'end', inFrame: decompressor.inFrame })
    port.close()
  }

  port.on('message', (request: UnzstdRequest) => {
    if (request.kind === 'input') inputs.push(request.piece)
    else if (request.kind === 'end') ended = true
    else credits++
    try {
      pump()
    } catch (error) {
      reply({ kind: 'error', message: messageOf(error) })
      port.close()
    }
  })
}

/** Reads from front to back in large steps: a layer has tens of thousands of headers and small files. */
import type { OpenedLayer } from '../tar/layer.ts'

const WINDOW_BYTES = 1024 * 1024
/** Kept before what is asked for: a header may be wanted after its content. */
const BEFORE_BYTES = 64 * 1024

export type LayerView = Pick<OpenedLayer, 'entries' | 'uncompressedBytes' | 'read'>

/** @returns the layer; its `read` gives views of larger pieces, which are not to be changed */
export function withReadWindow(layer: OpenedLayer): LayerView {
  const { entries, uncompressedBytes } = layer
  let start = 0
  let window: Buffer = Buffer.alloc(0)
  return {
    entries,
    uncompressedBytes,
    async read(offset, bytes) {
      if (bytes > WINDOW_BYTES - BEFORE_BYTES) return await layer.read(offset, bytes)
      if (offset < start || offset + bytes > start + window.length) {
        const from = Math.max(0, offset - BEFORE_BYTES)
        window = await layer.read(from, Math.min(WINDOW_BYTES, uncompressedBytes - from))
        start = from
      }
      return window.subarray(offset - start, offset - start + bytes)
    },
  }
}

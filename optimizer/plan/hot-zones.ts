/** The hot zones of an image's layers, measured for one order after the other. */
import type { BlobFormat } from '../estargz/blob-format.ts'
import type { CompressionPool } from '../estargz/compression-pool.ts'
import { type HotZone, HotZoneMeter } from '../estargz/hot-zone.ts'
import { orderEntries } from '../estargz/prioritize.ts'
import type { PathKey } from '../tar/entry.ts'
import type { OpenedLayer } from '../tar/layer.ts'

export interface HotZoneRequest {
  /** Lowest first. */
  layers: readonly OpenedLayer[]
  /** As the conversion would write them. */
  format: BlobFormat
  pool: CompressionPool
  signal: AbortSignal
}

export class HotZones {
  readonly #request: HotZoneRequest
  readonly #meters: HotZoneMeter[]

  constructor(request: HotZoneRequest) {
    const { layers, format, pool } = request
    this.#request = request
    this.#meters = layers.map((layer) => new HotZoneMeter(layer, format, pool))
  }

  /**
   * @param paths what is to come first, in order
   * @param bytesMax stop once there are more
   */
  async measure(index: number, paths: readonly PathKey[], bytesMax?: number): Promise<HotZone> {
    const { layers, signal, format } = this.#request
    const layer = layers[index] as OpenedLayer
    const ordering = orderEntries(layer.entries, format.lossless ? [] : paths)
    // Where layers do not fit on the disk together, its bytes are there only from here to `close`.
    await layer.ready?.()
    try {
      const limit = bytesMax === undefined ? {} : { bytesMax }
      return await (this.#meters[index] as HotZoneMeter).measure(ordering, { signal, ...limit })
    } finally {
      if (layer.ready !== undefined) await layer.close()
    }
  }
}

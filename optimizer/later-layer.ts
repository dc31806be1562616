/** Layers whose bytes are not there from the beginning. */
import type { Descriptor } from './image/descriptor.ts'
import type { Digest } from './image/digest.ts'
import type { IndexedLayer, OpenedLayer } from './tar/layer.ts'

/** One holder at a time, in the order of asking. */
export class Turn {
  #last: Promise<void> = Promise.resolve()

  /**
   * @param wanted when nobody waits for it any more: whoever has the turn may never end it then
   * @returns what ends the turn @throws the signal's reason
   */
  async begin(wanted?: AbortSignal): Promise<() => void> {
    const before = this.#last
    let end = () => {}
    this.#last = new Promise<void>((resolve) => {
      end = resolve
    })
    await Promise.race([before, ...(wanted === undefined ? [] : [aborted(wanted)])])
    if (wanted?.aborted === true) end()
    wanted?.throwIfAborted()
    return end
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** What is known of a layer before it is read. */
export interface ComingLayer {
  descriptor: Descriptor
  diffId: Digest
  /** @param wanted when nobody wants it any more */
  open(wanted?: AbortSignal): Promise<OpenedLayer>
}

/**
 * Indexed already, and decompressed again for its bytes: layers that do not fit on the disk together.
 * @param open decompresses it anew
 */
export function laterLayer(indexed: IndexedLayer, turn: Turn, open: ComingLayer['open']): OpenedLayer {
  const later = comingLayer({ ...indexed, open }, turn)
  const { ready, read, readInto, close } = later
  return { ...indexed, ...(ready === undefined ? {} : { ready }), read, readInto, close }
}

/**
 * @param turn null: others may be there at the same time
 * @returns the layer, which is there from `ready` to `close`, and no other of the same turn meanwhile
 */
export function comingLayer({ descriptor, diffId, open }: ComingLayer, turn: Turn | null): OpenedLayer {
  let opened: OpenedLayer | undefined
  let endTurn = () => {}
  const layer = () => {
    if (opened === undefined) throw new Error('the layer was not made ready')
    return opened
  }
  return {
    descriptor,
    diffId,
    get entries() {
      return layer().entries
    },
    get notes() {
      return layer().notes
    },
    get uncompressedBytes() {
      return layer().uncompressedBytes
    },
    async ready(wanted) {
      if (turn !== null) endTurn = await turn.begin(wanted)
      opened = await open(wanted)
    },
    read: (offset, length) => layer().read(offset, length),
    readInto: (target, offset) => layer().readInto(target, offset),
    async close() {
      await opened?.close()
      endTurn()
    },
  }
}

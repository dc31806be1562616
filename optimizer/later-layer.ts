/** Layers that do not fit on the disk together: indexed first, and decompressed again one at a time. */
import type { IndexedLayer, OpenedLayer } from './tar/layer.ts'

/** One holder at a time, in the order of asking. */
export class Turn {
  #last: Promise<void> = Promise.resolve()

  /** @returns what ends the turn */
  async begin(): Promise<() => void> {
    const before = this.#last
    let end = () => {}
    this.#last = new Promise<void>((resolve) => {
      end = resolve
    })
    await before
    return end
  }
}

/**
 * @param open decompresses it anew
 * @returns the layer, whose bytes are there from `ready` to `close`, and no other's of the same turn meanwhile
 */
export function laterLayer(indexed: IndexedLayer, turn: Turn, open: () => Promise<OpenedLayer>): OpenedLayer {
  let opened: OpenedLayer | undefined
  let endTurn = () => {}
  const bytes = () => {
    if (opened === undefined) throw new Error('the layer was not made ready')
    return opened
  }
  return {
    ...indexed,
    async ready() {
      endTurn = await turn.begin()
      opened = await open()
    },
    read: (offset, length) => bytes().read(offset, length),
    readInto: (target, offset) => bytes().readInto(target, offset),
    async close() {
      await opened?.close()
      endTurn()
    },
  }
}

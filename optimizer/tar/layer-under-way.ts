/** A layer that is used while it is still being read. */
import type { TarEntry } from './entry.ts'
import { type LayerProgress, type LayerSource, type OpenedLayer, openLayer } from './layer.ts'

export interface LayerUnderWay {
  /**
   * In the tar's order, each when its header has been read; an earlier one of a name that comes again is among them. Ends
   * when the layer has been read, throws what reading it throws.
   */
  entries: AsyncIterable<TarEntry>
  /** Waits for bytes that are still to come. @throws what reading the layer throws */
  readInto(target: Uint8Array, offset: number): Promise<void>
  /** The layer, when it has been read and its bytes have proven to be the right ones. */
  whole: Promise<OpenedLayer>
}

/** Begins to read. @throws nothing: `whole` rejects, as {@link openLayer} */
export function beginLayer(source: LayerSource): LayerUnderWay {
  const growth = new Growth()
  const whole = openLayer(source, (progress) => growth.tell(progress))
  whole.then(
    () => growth.end(null),
    (error: unknown) => growth.end({ error }),
  )
  return { entries: growth, readInto: (target, offset) => growth.readInto(target, offset), whole }
}

class Growth implements AsyncIterable<TarEntry> {
  #progress: LayerProgress | undefined
  /** How reading has ended. */
  #end: { failure: { error: unknown } | null } | undefined
  #waiting: (() => void)[] = []

  tell(progress: LayerProgress): void {
    this.#progress = progress
    this.#wake()
  }

  end(failure: { error: unknown } | null): void {
    this.#end = { failure }
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TarEntry, void, undefined> {
    for (let index = 0; ; ) {
      this.#requireSound()
      const entry = this.#progress?.entries[index]
      if (entry !== undefined) {
        index++
        yield entry
      } else if (this.#end !== undefined) return
      else await this.#growth()
    }
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    const endOffset = offset + target.length
    // What goes beyond the layer's end is refused by whoever has its bytes.
    while (this.#end === undefined && endOffset > (this.#progress?.readableBytes ?? 0)) await this.#growth()
    this.#requireSound()
    await this.#progress?.readInto(target, offset)
  }

  #requireSound(): void {
    const failure = this.#end?.failure ?? null
    if (failure !== null) throw failure.error
  }

  #growth(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/**
 * Deflate of unknown length, piece by piece on a thread of Node's pool, by the zlib that is in Node, into memory that is
 * there already: node:zlib's stream makes new memory for every piece. What a member ends with is not looked at: whoever reads a layer checks digests.
 *
 * @see RFC 1951
 */
import { AddonError, loadAddon } from './addon.ts'

export interface InflateStep {
  /** Bytes of the input; all of them unless the output is full or the stream has ended. */
  taken: number
  /** Bytes of the output, from its start. */
  given: number
  /** What follows the stream begins behind what was taken. */
  ended: boolean
}

/** Streams one after the other. One step at a time; until it is done, input and output are not to be touched. */
export interface Inflater {
  /** Rejects with what is wrong with the stream; after the end of one another begins. */
  step(input: Uint8Array, output: Uint8Array): Promise<InflateStep>
}

interface InflateBinding {
  /** Not there where the addon was built without zlib's header. */
  Inflater?: new () => Inflater
}

/** @returns undefined where the addon cannot: node:zlib does the same */
export function createInflater(): Inflater | undefined {
  try {
    const { Inflater } = loadAddon<InflateBinding>()
    return Inflater === undefined ? undefined : new Inflater()
  } catch (error) {
    if (error instanceof AddonError) return undefined
    throw error
  }
}

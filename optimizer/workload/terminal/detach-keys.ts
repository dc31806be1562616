/** The two keys, one after the other, that are for us and not for the workload: Ctrl-P Ctrl-Q, as docker's. */

export const DETACH_KEYS_NAME = 'Ctrl-P Ctrl-Q'
const FIRST = 0x10
const SECOND = 0x11

export class DetachKeys {
  /** The first key is held back until it is known what follows. */
  #held = false

  /** @returns what is for the workload, and how often the keys were there */
  take(bytes: Uint8Array): { rest: Buffer; times: number } {
    const rest: number[] = []
    let times = 0
    for (const byte of bytes) {
      if (this.#held && byte === SECOND) {
        this.#held = false
        times++
        continue
      }
      if (this.#held) rest.push(FIRST)
      this.#held = byte === FIRST
      if (!this.#held) rest.push(byte)
    }
    return { rest: Buffer.from(rest), times }
  }
}

/** A network link in a process: a rate that all its connections share, and a delay. */
import { setTimeout as delay } from 'node:timers/promises'

export interface LinkSpeed {
  /** From the registry to the client; the other way is not limited. */
  bitsPerSecond: number
  roundTripMs: number
}

/** What a late timer may catch up on: without it the rate would come out lower than asked for. */
const CREDIT_MS = 5

export class Link {
  readonly #speed: LinkSpeed | null
  /** When the last byte that was given to the link has left it. */
  #freeAtMs = 0

  /** @param speed null: as fast as the machine is */
  constructor(speed: LinkSpeed | null) {
    this.#speed = speed
  }

  /** Resolves when so many bytes have left: whoever asks in small pieces shares fairly. */
  async send(bytes: number): Promise<void> {
    if (this.#speed === null) return
    const now = performance.now()
    const begunAtMs = Math.max(now - CREDIT_MS, this.#freeAtMs)
    this.#freeAtMs = begunAtMs + (bytes * 8 * 1000) / this.#speed.bitsPerSecond
    if (this.#freeAtMs > now) await delay(this.#freeAtMs - now)
  }

  /** Calls back after so many one-way trips; calls of one distance keep their order. */
  later(trips: number, action: () => void): void {
    if (this.#speed === null) action()
    else setTimeout(action, (trips * this.#speed.roundTripMs) / 2)
  }

  async travel(trips: number): Promise<void> {
    if (this.#speed !== null) await delay((trips * this.#speed.roundTripMs) / 2)
  }
}

/** One program's connections to a registry over a link that all its answers share. */
import type { ClientModel } from './client-model.ts'
import type { Link } from './link.ts'
import { type Process, Resource } from './virtual-time.ts'

const BITS = 8

/** What went over the wire; of all programs of a machine. */
export interface Traffic {
  requests: number
  wireBytes: number
}

/** The way to a machine. */
export class Wire {
  readonly traffic: Traffic = { requests: 0, wireBytes: 0 }
  readonly #link: Link
  readonly #rate: Resource
  readonly #headerBytes: number

  constructor(link: Link, { headerBytes }: ClientModel) {
    this.#link = link
    this.#rate = new Resource(link.bitsPerSecond / BITS)
    this.#headerBytes = headerBytes
  }

  /** Each program has its own. */
  connections(): Connections {
    return new Connections(this)
  }

  *exchange(bodyBytes: number, isNewConnection: boolean): Process {
    const bytes = bodyBytes + this.#headerBytes
    this.traffic.requests++
    this.traffic.wireBytes += bytes
    yield { seconds: this.#link.roundTripSeconds * (isNewConnection ? 2 : 1) }
    yield { use: this.#rate, amount: bytes }
  }
}

/** Idle ones are used again; a new one costs a round trip. */
export class Connections {
  readonly #wire: Wire
  #idle = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** A request and its whole answer. */
  *request(bodyBytes: number): Process {
    const isNew = this.#idle === 0
    if (!isNew) this.#idle--
    yield* this.#wire.exchange(bodyBytes, isNew)
    this.#idle++
  }
}

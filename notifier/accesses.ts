/** File accesses on their way from the kernel to the optimizer: stamped, numbered, cut into frames. */
import type { FileAccess } from '../native/fanotify.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '../shared/frame.ts'
import { type Access, type FromNotifier, PHASE } from '../shared/messages.ts'

type AccessesMessage = Extract<FromNotifier, { type: 'accesses' }>

const ENTRIES_MAX = 128
/** More than an entry takes beside its path and command, and than a message takes beside its entries. */
const OVERHEAD_BYTES = 64

export class AccessStream {
  #held: FileAccess[] = []
  #zeroMicroseconds: number | null = null
  #sequence = 0
  /** Entries handed out so far. */
  sent = 0

  get started(): boolean {
    return this.#zeroMicroseconds !== null
  }

  /** Messages to send now. Before the start there are none: the time of an entry counts from there. */
  add(accesses: FileAccess[]): AccessesMessage[] {
    if (this.#zeroMicroseconds !== null) return this.#messages(accesses, PHASE.run, this.#zeroMicroseconds)
    this.#held.push(...accesses)
    return []
  }

  /** Sets the zero of time. @returns what was held back, as phase `create` */
  start(zeroMicroseconds: number): AccessesMessage[] {
    const held = this.#held
    this.#held = []
    this.#zeroMicroseconds = zeroMicroseconds
    return this.#messages(held, PHASE.create, zeroMicroseconds)
  }

  #messages(accesses: FileAccess[], phase: Access['phase'], zeroMicroseconds: number): AccessesMessage[] {
    const messages: AccessesMessage[] = []
    let entries: Access[] = []
    let bytes = OVERHEAD_BYTES
    const cut = () => {
      if (entries.length > 0) messages.push({ type: 'accesses', sequence: this.#sequence++, entries })
      entries = []
      bytes = OVERHEAD_BYTES
    }
    for (const access of accesses) {
      const entryBytes = OVERHEAD_BYTES + access.path.length + (access.command?.length ?? 0)
      if (entries.length === ENTRIES_MAX || bytes + entryBytes > FRAME_PAYLOAD_BYTES_MAX) cut()
      entries.push({
        path: access.path,
        kinds: access.kinds,
        pid: access.pid,
        elapsedMicroseconds: access.readMicroseconds - zeroMicroseconds,
        phase,
        sizeBytes: access.sizeBytes,
        command: access.command,
      })
      bytes += entryBytes
    }
    cut()
    this.sent += accesses.length
    return messages
  }
}

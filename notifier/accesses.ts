/** File accesses on their way from the kernel to the optimizer: stamped, numbered, cut into frames. */
import { AccessBatch, FIGURE, FIGURES_PER_ACCESS } from '../native/access-batch.ts'
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX } from '../shared/frame.ts'
import { PHASE, type Phase } from '../shared/messages.ts'
import { MsgpackWriter } from '../shared/msgpack-writer.ts'

const ENTRIES_MAX = 128
/** More than an entry takes beside its path and command, and than a frame takes beside its entries. */
const OVERHEAD_BYTES = 64

export class AccessStream {
  #held: AccessBatch[] = []
  #zeroMicroseconds: number | null = null
  #sequence = 0
  /** Entries handed out so far. */
  sent = 0

  get started(): boolean {
    return this.#zeroMicroseconds !== null
  }

  /** Frames to send now. Before the start there are none: the time of an entry counts from there. */
  add(batch: AccessBatch): Buffer | null {
    if (this.#zeroMicroseconds !== null) return this.#frames(batch, PHASE.run, this.#zeroMicroseconds)
    this.#held.push(batch)
    return null
  }

  /** Sets the zero of time. @returns frames of what was held back, as phase `create` */
  start(zeroMicroseconds: number): Buffer | null {
    const held = AccessBatch.joined(this.#held)
    this.#held = []
    this.#zeroMicroseconds = zeroMicroseconds
    return this.#frames(held, PHASE.create, zeroMicroseconds)
  }

  /** All of a batch, in as many frames as it takes, in one buffer: it is written at once. */
  #frames({ names, figures, length }: AccessBatch, phase: Phase, zeroMicroseconds: number): Buffer | null {
    if (length === 0) return null
    const ends = cuts(figures)
    const writer = new MsgpackWriter(names.length + (length + ends.length) * OVERHEAD_BYTES)
    let nameAt = 0
    let first = 0
    for (const end of ends) {
      const frameAt = writer.length
      writer.length += FRAME_HEADER_BYTES
      writeHead(writer, this.#sequence++, end - first)
      for (let at = first * FIGURES_PER_ACCESS; at < end * FIGURES_PER_ACCESS; at += FIGURES_PER_ACCESS)
        nameAt = writeEntry(writer, { names, figures, nameAt, at, phase, zeroMicroseconds })
      writer.u32At(frameAt, writer.length - frameAt - FRAME_HEADER_BYTES)
      first = end
    }
    this.sent += length
    return writer.buffer.subarray(0, writer.length)
  }
}

/** Numbers of accesses before which a message ends. */
function cuts(figures: Float64Array): number[] {
  const ends: number[] = []
  let first = 0
  let bytes = OVERHEAD_BYTES
  const count = figures.length / FIGURES_PER_ACCESS
  for (let access = 0; access < count; access++) {
    const at = access * FIGURES_PER_ACCESS
    const nameBytes =
      (figures[at + FIGURE.pathBytes] as number) + (figures[at + FIGURE.commandBytes] as number)
    const entryBytes = OVERHEAD_BYTES + nameBytes
    if (access - first === ENTRIES_MAX || bytes + entryBytes > FRAME_PAYLOAD_BYTES_MAX) {
      ends.push(access)
      first = access
      bytes = OVERHEAD_BYTES
    }
    bytes += entryBytes
  }
  ends.push(count)
  return ends
}

function writeHead(writer: MsgpackWriter, sequence: number, entries: number): void {
  writer.map(3)
  writer.text('type')
  writer.text('accesses')
  writer.text('sequence')
  writer.integer(sequence)
  writer.text('entries')
  writer.array(entries)
}

/** Elements of an entry, see Access in shared/messages.ts. */
const ENTRY_ELEMENTS = 7

interface Source {
  names: Buffer
  figures: Float64Array
  /** Where in `names` this access' begin. */
  nameAt: number
  /** Where its figures begin. */
  at: number
  phase: Phase
  zeroMicroseconds: number
}

/** @returns where the next access' names begin */
function writeEntry(writer: MsgpackWriter, source: Source): number {
  const { names, figures, nameAt, at } = source
  const pathEnd = nameAt + (figures[at + FIGURE.pathBytes] as number)
  const end = pathEnd + (figures[at + FIGURE.commandBytes] as number)
  writer.array(ENTRY_ELEMENTS)
  writer.bytes(names, nameAt, pathEnd)
  writer.integer(figures[at + FIGURE.kinds] as number)
  writer.integer(figures[at + FIGURE.pid] as number)
  writer.integer((figures[at + FIGURE.readMicroseconds] as number) - source.zeroMicroseconds)
  writer.integer(source.phase)
  writer.integer(figures[at + FIGURE.sizeBytes] as number)
  if (end === pathEnd) writer.nil()
  else writer.bytes(names, pathEnd, end)
  return end
}

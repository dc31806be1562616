/** The uncompressed bytes of members, from the layer that they are made of. */
import type { Member, Segment } from './members.ts'

/** The uncompressed layer. */
export interface LayerContent {
  uncompressedBytes: number
  /** Fills all of `target` from `offset` on. */
  readInto(target: Uint8Array, offset: number): Promise<void>
}

/** One member after the other. @returns how many bytes of `input` they take */
export async function fillMembers(
  layer: LayerContent,
  members: readonly Member[],
  input: Buffer,
): Promise<number> {
  let filled = 0
  for (const segment of joinedSegments(members)) {
    const target = input.subarray(filled, filled + segment.bytes)
    filled += segment.bytes
    if (segment.sourceOffset !== undefined) await layer.readInto(target, segment.sourceOffset)
    else if (segment.data !== undefined) target.set(segment.data)
    else target.fill(0)
  }
  return filled
}

/** Ranges of the source that touch across members are read in one go. */
function* joinedSegments(members: readonly Member[]): Generator<Segment> {
  let joined: Segment | undefined
  for (const member of members) {
    for (const segment of member.segments) {
      const end = joined?.sourceOffset === undefined ? undefined : joined.sourceOffset + joined.bytes
      if (joined !== undefined && end !== undefined && end === segment.sourceOffset) {
        joined = { bytes: joined.bytes + segment.bytes, sourceOffset: joined.sourceOffset as number }
        continue
      }
      if (joined !== undefined) yield joined
      joined = segment
    }
  }
  if (joined !== undefined) yield joined
}

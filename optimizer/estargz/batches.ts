/** Members in groups that go to a thread together; has no influence on the bytes. */
import { BATCH_BYTES, BATCH_MEMBERS } from './compression-pool.ts'
import type { Member } from './members.ts'

export interface Batch {
  members: Member[]
  memberLengths: Uint32Array
  /** Start in the batch and length of each chunk, in bytes: pairs. */
  payloads: Uint32Array
  bytes: number
  /** Of all members alike: they are compressed alike. */
  hot: boolean
}

export function* batches(members: Iterable<Member>): Generator<Batch> {
  let group: Member[] = []
  let bytes = 0
  for (const member of members) {
    const full = bytes + member.bytes > BATCH_BYTES || group.length === BATCH_MEMBERS
    if (group.length > 0 && (full || group[0]?.hot !== member.hot)) {
      yield batchOf(group, bytes)
      group = []
      bytes = 0
    }
    group.push(member)
    bytes += member.bytes
  }
  if (group.length > 0) yield batchOf(group, bytes)
}

function batchOf(members: Member[], bytes: number): Batch {
  const payloads: number[] = []
  let start = 0
  for (const member of members) {
    for (const { chunk } of member.parts) {
      if (chunk !== undefined) payloads.push(start + chunk.innerOffset, chunk.bytes)
    }
    start += member.bytes
  }
  return {
    members,
    memberLengths: Uint32Array.from(members, (member) => member.bytes),
    payloads: Uint32Array.from(payloads),
    bytes,
    hot: (members[0] as Member).hot,
  }
}

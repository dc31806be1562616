/** What the addon would hand over, made of single accesses. */
import { AccessBatch, type FileAccess } from '../../native/access-batch.ts'

export function accessBatch(accesses: readonly FileAccess[]): AccessBatch {
  const names = accesses.flatMap(({ path, command }) => (command === null ? [path] : [path, command]))
  const figures = accesses.flatMap(({ path, command, kinds, pid, readMicroseconds, sizeBytes }) => [
    ...[path.length, command?.length ?? 0, kinds, pid],
    ...[readMicroseconds, sizeBytes],
  ])
  return new AccessBatch(Buffer.concat(names), Float64Array.from(figures))
}

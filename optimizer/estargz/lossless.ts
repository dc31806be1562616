/**
 * A layer byte for byte as it was, only cut into members: its diff ID stays. So nothing can be moved, left out or
 * added; a TOC lies elsewhere then, and there is no landmark.
 */
import { PreconditionError } from '../../shared/errors.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { PlannedEntry, SourceRange } from './members.ts'

/** Such a layer cannot keep its diff ID. Code: DIFF_ID_NOT_KEPT. */
export class DiffIdError extends PreconditionError {
  constructor(what: string) {
    super(
      'DIFF_ID_NOT_KEPT',
      `the layer cannot keep its diff ID: ${what}; convert it without --estargz-keep-diff-id`,
    )
  }
}

/**
 * @param entries in source order
 * @throws {DiffIdError} while iterating
 */
export function* losslessEntries(
  entries: Iterable<TarEntry>,
  sourceBytes: number,
): Generator<PlannedEntry | SourceRange> {
  let position = 0
  for (const entry of entries) {
    if (entry.replacementHeader !== undefined) {
      throw new DiffIdError(`the header of ${entry.path} would be written anew (${reason(entry)})`)
    }
    yield { sourceOffset: position, bytes: entry.headerOffset - position }
    yield { entry }
    position = entry.payloadOffset + entry.payloadBytes
  }
  yield { sourceOffset: position, bytes: sourceBytes - position }
}

function reason(entry: TarEntry): string {
  if (entry.sparse !== undefined) return 'it is a sparse file'
  return 'its name comes again, or a global header interrupts it'
}

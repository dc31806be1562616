/** What was read so far: each file once, in order of first access. */
import type { FileAccess } from '../../native/access-batch.ts'
import { KIND } from '../../shared/messages.ts'
import type { PathFilter } from './path-filter.ts'

/** The first access of a file, or one of a new kind. */
export interface SeenAccess {
  /** Absolute, as the command sees it; bytes. */
  path: Buffer
  /** Bits of KIND that are new. */
  kinds: number
  pid: number
  command: Buffer | null
  sizeBytes: number
  elapsedMicroseconds: number
  /** Not told of this path before. */
  first: boolean
}

export type SeenFile = Omit<SeenAccess, 'first'>

export class SeenFiles {
  readonly #files = new Map<string, SeenFile>()
  readonly #root: Buffer
  readonly #filter: PathFilter
  readonly #zeroMicroseconds: number

  /** @param root what the kernel puts in front of every path: nothing, or the path of a chroot */
  constructor(root: Buffer, filter: PathFilter, zeroMicroseconds: number) {
    this.#root = root
    this.#filter = filter
    this.#zeroMicroseconds = zeroMicroseconds
  }

  /** @returns those that pass the filter, in order */
  add(accesses: Iterable<FileAccess>): SeenAccess[] {
    const added: SeenAccess[] = []
    for (const access of accesses) {
      const path = this.#inside(access.path)
      if (!this.#filter(path)) continue
      const { kinds, pid, command, sizeBytes } = access
      const elapsedMicroseconds = access.readMicroseconds - this.#zeroMicroseconds
      const file = { path, kinds, pid, command, sizeBytes, elapsedMicroseconds }
      const key = path.toString('latin1')
      const known = this.#files.get(key)
      if (known === undefined) this.#files.set(key, { ...file })
      else known.kinds |= kinds
      added.push({ ...file, first: known === undefined })
    }
    return added
  }

  #inside(path: Buffer): Buffer {
    const { length } = this.#root
    const below = length > 0 && path[length] === 0x2f && path.subarray(0, length).equals(this.#root)
    return below ? path.subarray(length) : path
  }

  all(): SeenFile[] {
    return [...this.#files.values()]
  }
}

/** `exec`, `read` or `open`: the one that says most. */
export function chiefKind(kinds: number): 'exec' | 'read' | 'open' {
  if ((kinds & KIND.exec) !== 0) return 'exec'
  return (kinds & KIND.read) !== 0 ? 'read' : 'open'
}

export function kindNames(kinds: number): ('open' | 'exec' | 'read')[] {
  return (['open', 'exec', 'read'] as const).filter((name) => (kinds & KIND[name]) !== 0)
}

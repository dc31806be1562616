/** Hard links of one layer: the file that a name stands for. */
import type { PathKey, TarEntry } from '../tar/entry.ts'

export class LinkedFiles {
  readonly #entries: readonly TarEntry[]
  #byPath: Map<PathKey, TarEntry> | undefined

  /** @param entries of the layer, one per path */
  constructor(entries: readonly TarEntry[]) {
    this.#entries = entries
  }

  at(path: PathKey): TarEntry | undefined {
    this.#byPath ??= new Map(this.#entries.map((entry) => [entry.path, entry]))
    return this.#byPath.get(path)
  }

  /** The regular file that the entry is, or that a chain of hard links leads to; undefined where there is none. */
  fileOf(entry: TarEntry | undefined): TarEntry | undefined {
    const seen = new Set<TarEntry>()
    let file = entry
    while (file?.type === 'hardlink' && !seen.has(file)) {
      seen.add(file)
      file = this.at(file.linkPath)
    }
    return file?.type === 'reg' ? file : undefined
  }
}

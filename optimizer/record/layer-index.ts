/**
 * Which layer provides a file of the running container: the layers' tar indexes merged as overlayfs merges them.
 *
 * @see OCI image spec, layer.md, "Whiteouts"
 */
import type { PathKey, TarEntry } from '../tar/entry.ts'

/** What is asked of an entry, of a tar or a table of contents. */
export type IndexedEntry = Pick<TarEntry, 'path' | 'type' | 'linkName'>

/** A file's entry and the layer it is in (position in the manifest, 0 = lowest). */
export interface Located<Entry extends IndexedEntry = TarEntry> {
  layerIndex: number
  entry: Entry
}

interface Node<Entry extends IndexedEntry> {
  children: Map<string, Node<Entry>>
  /** null: a directory that no layer names, only its content. */
  located: Located<Entry> | null
}

const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_NAME = '.wh..wh..opq'
/** Hard-link bookkeeping of aufs, no whiteouts. */
const AUFS_PREFIX = '.wh..wh.'
/** As the kernel's own limit on symbolic links in one path (ELOOP). */
const LINKS_MAX = 40

export class LayerIndex<Entry extends IndexedEntry = TarEntry> {
  readonly #root: Node<Entry> = { children: new Map(), located: null }
  /** Paths through a lower layer's symbolic link, as a runtime that follows it unpacks them. */
  readonly #aliases = new Map<PathKey, Located<Entry>>()

  /** @param layers entries of each layer, lowest first */
  constructor(layers: readonly (readonly Entry[])[]) {
    for (const [layerIndex, entries] of layers.entries()) this.#apply(layerIndex, entries)
  }

  /**
   * @param path as the kernel names it, resolved, without leading slash
   * @returns undefined for what is in no layer (made at run time, a mount point, deleted by a layer)
   */
  locate(path: PathKey): Located<Entry> | undefined {
    const node = this.#node(path)
    if (node !== undefined && node.located !== null && node.located.entry.type !== 'symlink')
      return node.located
    return this.#aliases.get(path)
  }

  /** Everything that a container sees and a layer names, directories and symbolic links included. */
  *located(): Generator<Located<Entry>> {
    const open = [this.#root]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.located !== null) yield node.located
      // One by one: a folder may have more than a call takes.
      for (const child of node.children.values()) open.push(child)
    }
  }

  /**
   * The way to a file as a person names it: the symbolic links that lead to it, and at the end the file.
   * @returns nothing where the path leads nowhere
   */
  trace(path: PathKey): Located<Entry>[] {
    const links: Located<Entry>[] = []
    const end = this.#resolve(path, (link) => links.push(link))
    const located = end === undefined ? undefined : this.locate(end)
    return located === undefined ? [] : [...links, located]
  }

  #apply(layerIndex: number, entries: readonly Entry[]): void {
    // A layer's whiteouts concern the layers below it, wherever they stand in its tar.
    for (const entry of entries) this.#applyWhiteout(entry)
    const lower = this.#aliasResolver(entries)
    for (const entry of entries) {
      if (!isWhiteout(entry)) this.#insert({ layerIndex, entry }, lower)
    }
  }

  #applyWhiteout(entry: Entry): void {
    const [parent, name] = splitPath(entry.path)
    if (name === OPAQUE_NAME) this.#node(parent)?.children.clear()
    else if (isWhiteout(entry) && !name.startsWith(AUFS_PREFIX)) {
      this.#node(parent)?.children.delete(name.slice(WHITEOUT_PREFIX.length))
    }
  }

  #insert(located: Located<Entry>, aliases: Map<PathKey, PathKey>): void {
    const { entry } = located
    const [parent, name] = splitPath(entry.path)
    const resolvedParent = aliases.get(parent)
    if (resolvedParent !== undefined) this.#aliases.set(joinPath(resolvedParent, name), located)
    if (entry.path === '') {
      this.#root.located = located
      return
    }

    let directory = this.#root
    for (const part of parent === '' ? [] : parent.split('/')) {
      let next = directory.children.get(part)
      if (next === undefined || !isDirectory(next)) {
        next = { children: new Map(), located: null }
        directory.children.set(part, next)
      }
      directory = next
    }
    const before = directory.children.get(name)
    const merges = entry.type === 'dir' && before !== undefined && isDirectory(before)
    directory.children.set(name, { children: merges ? before.children : new Map(), located })
  }

  /** For each parent directory named by `entries` that runs through a symbolic link below: where that leads. */
  #aliasResolver(entries: readonly Entry[]): Map<PathKey, PathKey> {
    const own = new Set(entries.filter((entry) => entry.type === 'dir').map((entry) => entry.path))
    const resolved = new Map<PathKey, PathKey>()
    const seen = new Set<PathKey>()
    for (const entry of entries) {
      const [parent] = splitPath(entry.path)
      if (seen.has(parent) || own.has(parent)) continue
      seen.add(parent)
      const target = this.#resolve(parent)
      if (target !== undefined && target !== parent) resolved.set(parent, target)
    }
    return resolved
  }

  /** `path` with every symbolic link followed, and told; undefined where they run in a circle. */
  #resolve(path: PathKey, onLink: (link: Located<Entry>) => void = () => {}): PathKey | undefined {
    const done: string[] = []
    // The next part is the last.
    const rest = path === '' ? [] : path.split('/').reverse()
    for (let links = 0; rest.length > 0; ) {
      const part = rest.pop() as string
      if (part === '' || part === '.') continue
      if (part === '..') {
        done.pop()
        continue
      }
      const node = this.#node([...done, part].join('/'))
      if (node?.located?.entry.type !== 'symlink') {
        done.push(part)
        continue
      }
      if (++links > LINKS_MAX) return undefined
      onLink(node.located)
      const target = node.located.entry.linkName.toString('latin1')
      if (target.startsWith('/')) done.length = 0
      for (const each of target.split('/').reverse()) rest.push(each)
    }
    return done.join('/')
  }

  #node(path: PathKey): Node<Entry> | undefined {
    let node: Node<Entry> | undefined = this.#root
    for (const part of path === '' ? [] : path.split('/')) {
      node = node?.children.get(part)
      if (node === undefined) return undefined
    }
    return node
  }
}

function isDirectory(node: Node<IndexedEntry>): boolean {
  return node.located === null || node.located.entry.type === 'dir'
}

function isWhiteout(entry: IndexedEntry): boolean {
  return splitPath(entry.path)[1].startsWith(WHITEOUT_PREFIX)
}

function splitPath(path: PathKey): [parent: PathKey, name: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)]
}

function joinPath(parent: PathKey, name: string): PathKey {
  return parent === '' ? name : `${parent}/${name}`
}

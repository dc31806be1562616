/**
 * The file system that an image's layers make: each applied in the order of its tar, as containerd unpacks it.
 * Apart from optimizer/record's index of layers, since that one has a part in what is verified here.
 *
 * @see OCI image spec, layer.md, "Applying Changesets"; containerd, archive/tar.go, createTarFile
 */
import type { TarEntry } from '../tar/entry.ts'
import { layerEntries } from './compare-layer.ts'
import type { Findings } from './difference.ts'
import { compareFacts, type Facts, factsOf } from './facts.ts'
import type { Scan } from './scan.ts'
import { shownPath } from './shown-path.ts'

/** What names of one file share. */
interface Inode {
  facts: Facts
}

interface Node {
  /** Empty for everything but a directory. */
  children: Map<string, Node>
  /** null: a directory that no layer names, only its content. */
  inode: Inode | null
}

const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_NAME = '.wh..wh..opq'
/** Bookkeeping of aufs, no whiteouts. */
const AUFS_PREFIX = '.wh..wh.'
/** As the kernel's own limit on symbolic links in one path (ELOOP). */
const LINKS_MAX = 40

export class MergedTree {
  readonly root: Node = { children: new Map(), inode: null }

  /** The next layer, from the lowest. */
  apply(layer: Scan): void {
    const entries = layerEntries(layer)
    // Whiteouts concern the layers below, wherever they stand.
    for (const entry of entries) this.#applyWhiteout(entry)
    for (const entry of entries) {
      if (!splitPath(entry.path)[1].startsWith(WHITEOUT_PREFIX)) {
        this.#place(entry, factsOf(entry, layer.contents.of(entry)?.digest))
      }
    }
  }

  #applyWhiteout({ path }: TarEntry): void {
    const [parent, name] = splitPath(path)
    if (!name.startsWith(WHITEOUT_PREFIX)) return
    const directory = this.#directory(parent, false)
    if (name === OPAQUE_NAME) directory?.children.clear()
    else if (!name.startsWith(AUFS_PREFIX)) directory?.children.delete(name.slice(WHITEOUT_PREFIX.length))
  }

  #place(entry: TarEntry, facts: Facts): void {
    const [parent, name] = splitPath(entry.path)
    if (name === '') {
      this.root.inode = { facts }
      return
    }
    const directory = this.#directory(parent, true) as Node
    if (entry.type === 'hardlink') {
      directory.children.set(name, { children: new Map(), inode: this.#linked(entry, facts) })
      return
    }
    const before = directory.children.get(name)
    const merges = entry.type === 'dir' && before !== undefined && isDirectory(before)
    directory.children.set(name, { children: merges ? before.children : new Map(), inode: { facts } })
  }

  /** The link's own owner, mode, time and attributes are set on the file that it leads to. */
  #linked(entry: TarEntry, link: Facts): Inode {
    const [parent, name] = splitPath(entry.linkPath)
    const inode = this.#directory(parent, false)?.children.get(name)?.inode
    // Nowhere: an unpacker would fail; the link stands for itself.
    if (inode === undefined || inode === null) return { facts: link }
    const { mode, uid, gid, mtimeNanoseconds } = link
    const xattrs = link.xattrs.length === 0 ? inode.facts.xattrs : merged(inode.facts.xattrs, link.xattrs)
    inode.facts = { ...inode.facts, mode, uid, gid, mtimeNanoseconds, xattrs }
    return inode
  }

  /** Symbolic links on the way are followed, as long as they stay in the tree. */
  #directory(path: string, make: boolean): Node | undefined {
    const done: Node[] = [this.root]
    // The next part is the last.
    const rest = path === '' ? [] : path.split('/').reverse()
    for (let links = 0; rest.length > 0; ) {
      const part = rest.pop() as string
      const at = done.at(-1) as Node
      if (part === '' || part === '.') continue
      if (part === '..') {
        if (done.length > 1) done.pop()
        continue
      }
      let next = at.children.get(part)
      if (next?.inode?.facts.type === 'symlink' && ++links <= LINKS_MAX) {
        const target = next.inode.facts.linkName.toString('latin1')
        if (target.startsWith('/')) done.length = 1
        // One by one: of a hostile link there are more than a call takes.
        for (const each of target.split('/').reverse()) rest.push(each)
        continue
      }
      if (next === undefined || !isDirectory(next)) {
        if (!make) return undefined
        next = { children: new Map(), inode: null }
        at.children.set(part, next)
      }
      done.push(next)
    }
    return done.at(-1)
  }
}

function merged(below: TarEntry['xattrs'], above: TarEntry['xattrs']): TarEntry['xattrs'] {
  const values = new Map([...below, ...above].map(({ name, value }) => [name, value]))
  return [...values].map(([name, value]) => ({ name, value }))
}

function isDirectory({ inode }: Node): boolean {
  return inode === null || inode.facts.type === 'dir'
}

function splitPath(path: string): [parent: string, name: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)]
}

export interface TreeComparison {
  /** Of the source's file system, by name. */
  files: number
  contentBytes: number
}

/** Every name on both sides, in order. */
export function compareTrees(source: MergedTree, target: MergedTree, findings: Findings): TreeComparison {
  const counted: TreeComparison = { files: 0, contentBytes: 0 }
  const firstNames = { source: new Map<Inode, string>(), target: new Map<Inode, string>() }
  const waiting: { path: string; left: Node; right: Node }[] = [
    { path: '', left: source.root, right: target.root },
  ]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, left, right } = next
    counted.files++
    counted.contentBytes += left.inode?.facts.sizeBytes ?? 0
    compareNodes(path, left, right, findings)
    compareNames(path, left.inode, right.inode, firstNames, findings)
    const prefix = path === '' ? '' : `${path}/`
    const names = [...new Set([...left.children.keys(), ...right.children.keys()])].sort().reverse()
    for (const name of names) {
      const [below, above] = [left.children.get(name), right.children.get(name)]
      const child = prefix + name
      if (below !== undefined && above !== undefined) waiting.push({ path: child, left: below, right: above })
      else if (below !== undefined)
        findings.add('FILE_MISSING', shownPath(child), `a ${typeOf(below)} in the source`)
      else findings.add('FILE_ADDED', shownPath(child), `a ${typeOf(above as Node)} in the target`)
    }
  }
  return counted
}

function typeOf({ inode }: Node): string {
  return inode === null ? 'directory without an entry' : inode.facts.type
}

function compareNodes(path: string, left: Node, right: Node, findings: Findings): void {
  if (left.inode !== null && right.inode !== null) {
    for (const { fact, message } of compareFacts(left.inode.facts, right.inode.facts))
      findings.add(`FILE_${fact}`, shownPath(path), message)
  } else if (left.inode !== right.inode) {
    findings.add('FILE_TYPE', shownPath(path), `source ${typeOf(left)}, target ${typeOf(right)}`)
  }
}

/** Names of one file on one side are names of one file on the other. */
function compareNames(
  path: string,
  left: Inode | null,
  right: Inode | null,
  seen: { source: Map<Inode, string>; target: Map<Inode, string> },
  findings: Findings,
): void {
  if (left === null || right === null) return
  const [before, after] = [seen.source.get(left), seen.target.get(right)]
  if (before === undefined) seen.source.set(left, path)
  if (after === undefined) seen.target.set(right, path)
  if (before === after) return
  const shown = (other: string | undefined) => (other === undefined ? 'a file of its own' : shownPath(other))
  findings.add(
    'FILE_LINK',
    shownPath(path),
    `the same file in the source: ${shown(before)}, in the target: ${shown(after)}`,
  )
}

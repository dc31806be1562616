/** --format tree: directories, with the files and bytes below each. */
import { formatBytes } from '../../shared/text.ts'
import { pathText } from './path-text.ts'
import type { SeenFile } from './seen-files.ts'

interface Directory {
  name: Buffer
  files: number
  bytes: number
  children: Map<string, Directory>
}

export function directoryTree(files: readonly SeenFile[]): string {
  const root = directory(Buffer.from('/'))
  for (const { path, sizeBytes } of files) {
    let at = root
    count(at, sizeBytes)
    for (const name of splitPath(path).slice(0, -1)) {
      const key = name.toString('latin1')
      const child = at.children.get(key) ?? directory(name)
      at.children.set(key, child)
      count(child, sizeBytes)
      at = child
    }
  }
  const lines = treeLines(root, '', '')
  const columns = lines.reduce((most, [text]) => Math.max(most, [...text].length), 0)
  return lines.map(([text, counts]) => `${text}${' '.repeat(columns - [...text].length)}${counts}\n`).join('')
}

/** Parts between slashes, as bytes. */
export function splitPath(path: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at <= path.length; ) {
    const slash = path.indexOf('/', at)
    const end = slash === -1 ? path.length : slash
    if (end > at) parts.push(path.subarray(at, end))
    at = end + 1
  }
  return parts
}

function directory(name: Buffer): Directory {
  return { name, files: 0, bytes: 0, children: new Map() }
}

function count(at: Directory, sizeBytes: number): void {
  at.files++
  at.bytes += sizeBytes
}

function treeLines(at: Directory, lead: string, branch: string): [text: string, counts: string][] {
  const names = [at.name]
  let end = at
  // A directory that holds nothing but one other is shown on that one's line.
  for (let only = onlyChild(end); branch !== '' && only !== undefined; only = onlyChild(end)) {
    names.push(only.name)
    end = only
  }
  const counts = `${String(end.files).padStart(7)} file${end.files === 1 ? ' ' : 's'}  ${formatBytes(end.bytes).padStart(10)}`
  const text = `${lead}${branch}${names.map(pathText).join('/')}`
  const below = branch === '' ? '' : `${lead}${branch === '├─ ' ? '│  ' : '   '}`
  const children = [...end.children.values()].sort((a, b) => Buffer.compare(a.name, b.name))
  return [
    [text, counts],
    ...children.flatMap((child, index) =>
      treeLines(child, below, index === children.length - 1 ? '└─ ' : '├─ '),
    ),
  ]
}

function onlyChild(at: Directory): Directory | undefined {
  const [only] = at.children.values()
  return at.children.size === 1 && only?.files === at.files ? only : undefined
}

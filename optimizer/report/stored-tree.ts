/** An image's bytes by layer and folder, cut to what a picture can show: what is too small for it is summed up. */
import type { ImageAnalysis, LayerAnalysis } from '../plan/analysis.ts'
import { FILE_STATES, type FileState, stateOf, storedBytes } from './file-state.ts'

export interface TreeNode {
  name: string
  /** From the layer's root; what a person is told. */
  path: string
  /** Compressed. */
  bytes: number
  files: number
  /** null of a layer or folder. */
  state: FileState | null
  children: TreeNode[]
}

interface Sum {
  bytes: number
  files: number
}

interface Folder {
  path: string
  sums: Record<FileState, Sum>
  folders: Map<string, Folder>
  files: { name: string; path: string; bytes: number; state: FileState }[]
}

/** @param leastShare of the image's bytes: what is smaller is summed up with its neighbours of the same state */
export function storedTree(analysis: ImageAnalysis, leastShare: number): TreeNode {
  const folders = analysis.layers.map((layer) => folderOf(layer, analysis))
  const bytes = folders.reduce((sum, folder) => sum + bytesOf(folder), 0)
  const children = folders.map((folder, index) => ({
    ...nodeOf(folder, '', bytes * leastShare),
    name: `layer ${index}`,
    path: '',
  }))
  return {
    name: '',
    path: '',
    bytes,
    files: 0,
    state: null,
    children: children.filter((node) => node.bytes > 0),
  }
}

function newFolder(path: string): Folder {
  const sums = Object.fromEntries(FILE_STATES.map((state) => [state, { bytes: 0, files: 0 }]))
  return { path, sums: sums as Folder['sums'], folders: new Map(), files: [] }
}

function folderOf(layer: LayerAnalysis, analysis: ImageAnalysis): Folder {
  const root = newFolder('')
  for (const file of layer.files) {
    const state = stateOf(file, layer, analysis)
    const bytes = storedBytes(file, layer)
    const parts = file.path.split('/')
    const name = parts.pop() ?? ''
    let folder = root
    add(folder.sums[state], bytes, 1)
    for (const part of parts) {
      const path = folder.path === '' ? part : `${folder.path}/${part}`
      const next = folder.folders.get(part) ?? newFolder(path)
      folder.folders.set(part, next)
      folder = next
      add(folder.sums[state], bytes, 1)
    }
    folder.files.push({ name, path: file.path, bytes, state })
  }
  return root
}

function add(sum: Sum, bytes: number, files: number): void {
  sum.bytes += bytes
  sum.files += files
}

function bytesOf({ sums }: Folder): number {
  return FILE_STATES.reduce((sum, state) => sum + sums[state].bytes, 0)
}

function filesOf({ sums }: Folder): number {
  return FILE_STATES.reduce((sum, state) => sum + sums[state].files, 0)
}

/** A folder that has nothing but another is told with it: `usr/lib`. */
function nodeOf(folder: Folder, name: string, leastBytes: number): TreeNode {
  const [only] = folder.folders
  if (only !== undefined && folder.folders.size === 1 && folder.files.length === 0)
    return nodeOf(only[1], name === '' ? only[0] : `${name}/${only[0]}`, leastBytes)
  const children: TreeNode[] = []
  const rest = newFolder(folder.path).sums
  for (const [part, inner] of folder.folders) {
    if (bytesOf(inner) >= leastBytes) children.push(nodeOf(inner, part, leastBytes))
    else for (const state of FILE_STATES) add(rest[state], inner.sums[state].bytes, inner.sums[state].files)
  }
  for (const { name: own, path, bytes, state } of folder.files) {
    if (bytes >= leastBytes) children.push({ name: own, path, bytes, files: 1, state, children: [] })
    else add(rest[state], bytes, 1)
  }
  for (const state of FILE_STATES) {
    const { bytes, files } = rest[state]
    const several = files === 1 ? '1 file' : `${files} files`
    if (bytes > 0)
      children.push({
        name: several,
        path: `${folder.path}: ${several} that are small`,
        bytes,
        files,
        state,
        children: [],
      })
  }
  return { name, path: folder.path, bytes: bytesOf(folder), files: filesOf(folder), state: null, children }
}

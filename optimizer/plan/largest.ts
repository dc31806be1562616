/** Where most of what comes first is. */
import type { DirectoryAnalysis, FileAnalysis, LayerAnalysis } from './analysis.ts'
import { contentOf, directoryTree } from './sums.ts'

export interface LargeFile {
  path: string
  layerIndex: number
  /** Content, uncompressed. */
  sizeBytes: number
}

export interface LargeDirectory {
  path: string
  /** Files that come first: of the folder and all below it, without those of folders that are named themselves. */
  hotFiles: number
  /** Their content, uncompressed. */
  hotContentBytes: number
}

/** Of the hot zone, the largest first. */
export function largestFiles(
  layers: readonly Pick<LayerAnalysis, 'index' | 'files'>[],
  count: number,
): LargeFile[] {
  return layers
    .flatMap(({ index, files }) =>
      files
        .filter(({ hot, sizeBytes }) => hot && sizeBytes > 0)
        .map(({ path, sizeBytes }) => ({ path, layerIndex: index, sizeBytes })),
    )
    .sort((a, b) => b.sizeBytes - a.sizeBytes || a.layerIndex - b.layerIndex)
    .slice(0, count)
}

/** A folder that holds more of the hot zone is taken apart. */
const APART_SHARE = 1 / 4

/** Folders that hold most of the hot zone, the fullest first; none is counted in another. */
export function largestDirectories(files: Iterable<FileAnalysis>, count: number): LargeDirectory[] {
  const root = directoryTree([...files].filter(({ hot }) => hot))
  const isLarge = ({ isWhole, folder, hotContentBytes }: Part) =>
    isWhole && folder.directories.length > 0 && hotContentBytes > root.contentBytes * APART_SHARE
  let parts: Part[] = [whole(root)]
  for (let next = parts.find(isLarge); next !== undefined; next = parts.find(isLarge)) {
    const { folder } = next
    parts = [...parts.filter((part) => part.folder !== folder), ...piecesOf(folder)]
  }
  return parts
    .filter(({ hotFiles }) => hotFiles > 0)
    .sort((a, b) => b.hotContentBytes - a.hotContentBytes || (a.folder.path < b.folder.path ? -1 : 1))
    .slice(0, count)
    .map(({ folder, hotFiles, hotContentBytes }) => ({ path: folder.path, hotFiles, hotContentBytes }))
}

interface Part {
  folder: DirectoryAnalysis
  /** With all folders below it. */
  isWhole: boolean
  hotFiles: number
  hotContentBytes: number
}

function whole(folder: DirectoryAnalysis): Part {
  const { hotFiles, hotContentBytes } = folder
  return { folder, isWhole: true, hotFiles, hotContentBytes }
}

function piecesOf(folder: DirectoryAnalysis): Part[] {
  const { ownFiles } = folder
  const own = { folder, isWhole: false, hotFiles: ownFiles.length, hotContentBytes: contentOf(ownFiles) }
  return [...folder.directories.map(whole), ...(ownFiles.length > 0 ? [own] : [])]
}

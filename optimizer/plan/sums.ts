/** Sums of files, by layer and by folder. */
import type { DirectoryAnalysis, FileAnalysis, ZoneSums } from './analysis.ts'

export function sumsOf(
  { sizeBytes, hotZoneBytes }: Pick<ZoneSums, 'sizeBytes' | 'hotZoneBytes'>,
  files: readonly FileAnalysis[],
): ZoneSums {
  const hot = files.filter((file) => file.hot)
  const read = files.filter(({ access }) => access !== null)
  const hit = read.filter((file) => file.hot)
  return {
    sizeBytes,
    files: files.length,
    contentBytes: contentOf(files),
    hotFiles: hot.length,
    hotContentBytes: contentOf(hot),
    hotZoneBytes,
    readFiles: read.length,
    readContentBytes: contentOf(read),
    hitFiles: hit.length,
    hitContentBytes: contentOf(hit),
  }
}

export function contentOf(files: readonly FileAnalysis[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** Of all layers. */
export function totalOf(layers: readonly ZoneSums[]): ZoneSums {
  const total = sumsOf({ sizeBytes: 0, hotZoneBytes: 0 }, [])
  for (const layer of layers)
    for (const name of Object.keys(total) as (keyof ZoneSums)[]) total[name] += layer[name]
  return total
}

/** The folders that hold these files, each with the sums of all below it. A file counts under its first name alone. */
export function directoryTree(files: Iterable<FileAnalysis>): DirectoryAnalysis {
  const root = newDirectory('', '')
  const byPath = new Map<string, DirectoryAnalysis>([['', root]])
  for (const file of files) {
    const folders = foldersOf(file.path, byPath)
    for (const folder of folders) count(folder, file)
    folders.at(-1)?.ownFiles.push(file)
  }
  for (const { directories, ownFiles } of byPath.values()) {
    directories.sort((a, b) => b.contentBytes - a.contentBytes || compare(a.name, b.name))
    ownFiles.sort((a, b) => b.sizeBytes - a.sizeBytes || compare(a.path, b.path))
  }
  return root
}

/** From the root down; those that are not there yet are made. */
function foldersOf(path: string, byPath: Map<string, DirectoryAnalysis>): DirectoryAnalysis[] {
  const folders = [byPath.get('') as DirectoryAnalysis]
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const parent = folders.at(-1) as DirectoryAnalysis
    const own = path.slice(0, slash)
    const folder = byPath.get(own) ?? newDirectory(own.slice(own.lastIndexOf('/') + 1), own)
    if (!byPath.has(own)) parent.directories.push(folder)
    byPath.set(own, folder)
    folders.push(folder)
  }
  return folders
}

function newDirectory(name: string, path: string): DirectoryAnalysis {
  return {
    name,
    path,
    files: 0,
    hotFiles: 0,
    contentBytes: 0,
    hotContentBytes: 0,
    readFiles: 0,
    readContentBytes: 0,
    directories: [],
    ownFiles: [],
  }
}

function count(folder: DirectoryAnalysis, { sizeBytes, hot, access }: FileAnalysis): void {
  folder.files++
  folder.contentBytes += sizeBytes
  if (hot) folder.hotFiles++
  if (hot) folder.hotContentBytes += sizeBytes
  if (access !== null) folder.readFiles++
  if (access !== null) folder.readContentBytes += sizeBytes
}

/** By code units: alike on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

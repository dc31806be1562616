/** --summary: what was read, by kind, directory, process and package. */
import { formatBytes, printableName } from '../../shared/text.ts'
import { splitPath } from './directory-tree.ts'
import { packageOwners } from './packages.ts'
import { pathText } from './path-text.ts'
import { chiefKind, type SeenFile } from './seen-files.ts'

export interface Share {
  name: string
  files: number
  bytes: number
}

export interface Summary {
  files: number
  bytes: number
  /** Each file under the kind that says most of it. */
  kinds: Share[]
  /** By the first two parts of the path. */
  directories: Share[]
  /** By the name of the process that read it first. */
  processes: Share[]
  /** Null where there is no database of packages. */
  packages: { databases: string[]; shares: Share[] } | null
  problems: string[]
}

const DIRECTORY_PARTS = 2
const NO_PACKAGE = '(no package)'

/** @param root path of the command's root directory, in which databases of packages are looked for */
export async function summarize(files: readonly SeenFile[], root: string): Promise<Summary> {
  const wanted = new Set(files.map(({ path }) => path.toString('latin1')))
  const { databases, owners, problems } = await packageOwners(root, wanted)
  const ownerOf = ({ path }: SeenFile) => owners.get(path.toString('latin1')) ?? NO_PACKAGE
  return {
    files: files.length,
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    kinds: shares(files, ({ kinds }) => chiefKind(kinds)),
    directories: shares(files, ({ path }) => directoryOf(path)),
    processes: shares(files, ({ command }) => (command === null ? '(ended)' : pathText(command))),
    packages: databases.length === 0 ? null : { databases, shares: shares(files, ownerOf) },
    problems,
  }
}

function directoryOf(path: Buffer): string {
  const folders = splitPath(path).slice(0, -1).slice(0, DIRECTORY_PARTS)
  return `/${folders.map(pathText).join('/')}`
}

/** Largest first, then by name. */
function shares(files: readonly SeenFile[], nameOf: (file: SeenFile) => string): Share[] {
  const byName = new Map<string, Share>()
  for (const file of files) {
    const name = nameOf(file)
    const share = byName.get(name) ?? { name, files: 0, bytes: 0 }
    byName.set(name, share)
    share.files++
    share.bytes += file.sizeBytes
  }
  return [...byName.values()].sort(
    (a, b) => b.bytes - a.bytes || b.files - a.files || (a.name < b.name ? -1 : 1),
  )
}

const ROWS_MAX = 12

export function summaryText(summary: Summary, durationSeconds: number): string {
  const files = `${summary.files} file${summary.files === 1 ? '' : 's'}`
  const sections = [
    `${files}, ${formatBytes(summary.bytes)}, in ${durationSeconds.toFixed(3)} s\n`,
    section('by kind', summary.kinds),
    section('by directory', summary.directories),
    section('by process', summary.processes),
  ]
  if (summary.packages !== null) {
    const { databases, shares } = summary.packages
    sections.push(section(`by package (${databases.join(', ')})`, shares))
  }
  return [...sections, ...summary.problems.map((problem) => `${printableName(problem)}\n`)].join('')
}

function section(title: string, shares: readonly Share[]): string {
  const lines = shares.slice(0, ROWS_MAX).map(row)
  if (shares.length > ROWS_MAX) lines.push(row(sumUp(shares.slice(ROWS_MAX))))
  return [`${title}:`, ...lines, ''].join('\n')
}

function row({ name, files, bytes }: Share): string {
  return `${String(files).padStart(8)} file${files === 1 ? ' ' : 's'}  ${formatBytes(bytes).padStart(10)}  ${printableName(name)}`
}

function sumUp(shares: readonly Share[]): Share {
  return {
    name: `(${shares.length} more)`,
    files: shares.reduce((sum, share) => sum + share.files, 0),
    bytes: shares.reduce((sum, share) => sum + share.bytes, 0),
  }
}

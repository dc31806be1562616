/** The images whose cold start is measured: made of one source, each by the command that a user would type. */
import { OPTIMIZER } from './contestants.ts'
import type { PullMode } from './lazy/client.ts'

export interface StartRow {
  /** Also its image's tag. */
  id: string
  title: string
  mode: PullMode
  /** null: the source itself. */
  command: ((making: Making) => string[]) | null
}

/** What a command makes `target` of. */
export interface Making {
  /** Options that name a containerd. */
  containerd: string[]
  source: string
  target: string
  /** Where the record of the row that all are compared with is, once it is made. */
  record: string
  /** Where ours is. */
  ownRecord: string
}

/** Generous: the workload ends by itself. */
const PERIOD_SECONDS = '120'

export const BASE_ROW = 'ctr-remote'

export const START_ROWS: StartRow[] = [
  { id: 'original', title: 'original, full pull', mode: 'full', command: null },
  ours('unordered', 'eStargz in source order', () => ['--no-optimize']),
  peer(BASE_ROW, 'ctr-remote, eStargz', (record) => ['--record-out', record]),
  peer('ctr-remote-zstd', 'ctr-remote, zstd:chunked', () => ['--zstdchunked']),
  ours('optimizer', 'optimizer, eStargz', (record) => ['--period', PERIOD_SECONDS, '--record-out', record]),
  ours('optimizer-zstd', 'optimizer, zstd:chunked', () => ['--period', PERIOD_SECONDS, '--zstdchunked']),
  sameFiles('same-files', 'optimizer, eStargz, the same files', []),
  sameFiles('same-files-zstd', 'optimizer, zstd:chunked, the same files', ['--zstdchunked']),
]

function ours(id: string, title: string, options: (record: string) => string[]): StartRow {
  const command = ({ containerd, source, target, ownRecord }: Making) => [
    ...[process.execPath, OPTIMIZER, 'optimize', source, target, ...options(ownRecord)],
    ...containerd,
  ]
  return { id, title, mode: 'lazy', command }
}

/** By what the row that all are compared with has recorded. */
function sameFiles(id: string, title: string, options: string[]): StartRow {
  const command = ({ containerd, source, target, record }: Making) => [
    ...[process.execPath, OPTIMIZER, 'convert', source, target, '--record-in', record, ...options],
    ...containerd,
  ]
  return { id, title, mode: 'lazy', command }
}

function peer(id: string, title: string, options: (record: string) => string[]): StartRow {
  const command = ({ containerd, source, target, record }: Making) => [
    ...['ctr-remote', ...containerd, 'image', 'optimize', '--oci', '--period', PERIOD_SECONDS],
    ...[...options(record), source, target],
  ]
  return { id, title, mode: 'lazy', command }
}

/** The images whose cold start is measured: made of one source, each by the command that a user would type. */
import { OPTIMIZER } from './contestants.ts'
import type { PullMode } from './lazy/client.ts'

export interface StartRow {
  /** Also its image's tag. */
  id: string
  title: string
  mode: PullMode
  /** The command that makes `target` of `source` in the containerd at these options; null: the source itself. */
  command: ((containerd: string[], source: string, target: string) => string[]) | null
}

/** Generous: the workload ends by itself. */
const PERIOD_SECONDS = '120'

export const BASE_ROW = 'ctr-remote'

export const START_ROWS: StartRow[] = [
  { id: 'original', title: 'original, full pull', mode: 'full', command: null },
  ours('unordered', 'eStargz in source order', ['--no-optimize']),
  peer('ctr-remote', 'ctr-remote, eStargz', []),
  peer('ctr-remote-zstd', 'ctr-remote, zstd:chunked', ['--zstdchunked']),
  ours('optimizer', 'optimizer, eStargz', ['--period', PERIOD_SECONDS]),
  ours('optimizer-zstd', 'optimizer, zstd:chunked', ['--period', PERIOD_SECONDS, '--zstdchunked']),
]

function ours(id: string, title: string, options: string[]): StartRow {
  const command = (containerd: string[], source: string, target: string) => [
    ...[process.execPath, OPTIMIZER, 'optimize', source, target, ...options],
    ...containerd,
  ]
  return { id, title, mode: 'lazy', command }
}

function peer(id: string, title: string, options: string[]): StartRow {
  const command = (containerd: string[], source: string, target: string) => [
    ...['ctr-remote', ...containerd, 'image', 'optimize', '--oci', '--period', PERIOD_SECONDS],
    ...[...options, source, target],
  ]
  return { id, title, mode: 'lazy', command }
}

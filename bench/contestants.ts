/** Who is measured: our command line and Debian's `ctr-remote`, each as a user would type it. */
import { fileURLToPath } from 'node:url'

export interface Contestant {
  /** Also its targets' tag. */
  id: string
  title: string
  format: 'eStargz' | 'zstd:chunked'
  isOurs: boolean
  /** The command that converts `source` to `target` in the containerd at these options. */
  command(containerd: string[], source: string, target: string): string[]
}

export const OPTIMIZER = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))

/** Those that run when nobody is named. */
export const USUAL_IDS = [
  ...['ours', 'ours-zstd', 'peer-9', 'peer-6', 'peer-zstd', 'newer-9', 'newer-6', 'newer-zstd'],
] as const
export const CONTESTANT_IDS = [...USUAL_IDS, 'ours-fast', 'ours-small'] as const

/** @param newer path of the `ctr-remote` of Debian's next release, or null where it cannot be had */
export function contestants(newer: string | null): Contestant[] {
  const peers = peersOf('peer', 'ctr-remote', 'ctr-remote')
  return [...OURS, ...peers, ...(newer === null ? [] : peersOf('newer', 'newer ctr-remote', newer))]
}

/** Their format's first contestant is what the others of it are compared with. */
const OURS = [
  ours('ours', 'optimizer (its defaults)', 'eStargz', []),
  ours('ours-fast', 'optimizer (--fast)', 'eStargz', ['--fast']),
  ours('ours-small', 'optimizer (--small)', 'eStargz', ['--small']),
  ours('ours-zstd', 'optimizer (zstd:chunked)', 'zstd:chunked', ['--zstdchunked']),
]

function ours(id: string, title: string, format: Contestant['format'], options: string[]): Contestant {
  const command = (containerd: string[], source: string, target: string) => [
    ...[process.execPath, OPTIMIZER, 'optimize', source, target, '--no-optimize', '--json', ...options],
    ...containerd,
  ]
  return { id, title, format, isOurs: true, command }
}

/** 9 is the peer's default and is left unsaid. */
function peersOf(id: string, name: string, program: string): Contestant[] {
  const peer = (
    mark: string,
    title: string,
    format: Contestant['format'],
    options: string[],
  ): Contestant => ({
    ...{ id: `${id}-${mark}`, title: `${name} (${title})`, format, isOurs: false },
    command: (containerd, source, target) => [
      ...[program, ...containerd, 'image', 'convert', '--oci', ...options],
      ...[source, target],
    ],
  })
  return [
    peer('9', 'level 9, its default', 'eStargz', ['--estargz']),
    peer('6', 'level 6', 'eStargz', ['--estargz', '--estargz-compression-level', '6']),
    peer('zstd', 'zstd:chunked', 'zstd:chunked', ['--zstdchunked']),
  ]
}

/** Who is measured: our command line and Debian's `ctr-remote`, each as a user would type it. */
import { fileURLToPath } from 'node:url'

export interface Contestant {
  /** Also its targets' tag. */
  id: string
  title: string
  /** The command that converts `source` to `target` in the containerd at these options. */
  command(containerd: string[], source: string, target: string): string[]
}

export const OPTIMIZER = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))

export const OURS: Contestant = {
  id: 'ours',
  title: 'optimizer (level 6)',
  command: (containerd, source, target) => [
    ...[process.execPath, OPTIMIZER, 'optimize', source, target, '--no-optimize', '--json'],
    ...containerd,
  ],
}

/** 9 is the peer's default and is left unsaid. */
export const PEERS: Contestant[] = [
  peer('peer-9', 'ctr-remote (level 9, its default)', []),
  peer('peer-6', 'ctr-remote (level 6)', ['--estargz-compression-level', '6']),
]

function peer(id: string, title: string, options: string[]): Contestant {
  return {
    id,
    title,
    command: (containerd, source, target) => [
      ...['ctr-remote', ...containerd, 'image', 'convert', '--estargz', '--oci', ...options],
      ...[source, target],
    ],
  }
}

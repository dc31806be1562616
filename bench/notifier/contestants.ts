/** Who watches. */
import { fileURLToPath } from 'node:url'
import { buildProgram } from './programs.ts'

export const CONTESTANT_IDS = ['nobody', 'reader', 'peer', 'notifier', 'stand-alone'] as const
export type ContestantId = (typeof CONTESTANT_IDS)[number]

export const TITLES: Record<ContestantId, string> = {
  nobody: 'nobody',
  reader: 'C reader',
  peer: 'ctr-remote',
  notifier: 'notifier',
  'stand-alone': 'notifier, stand-alone',
}

const OWN_CLIENT = fileURLToPath(new URL('own-client.js', import.meta.url))
const NOTIFIER = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))

/** The command of a client that has everything at `root` watched, by a program in a mount namespace of its own. */
export function clientCommand(id: 'reader' | 'peer' | 'notifier', root: string): string[] {
  switch (id) {
    case 'reader':
      return [buildProgram('client'), 'lines', root, buildProgram('reader'), root]
    case 'peer':
      return [buildProgram('client'), 'peer', root, 'ctr-remote', 'fanotify', root]
    case 'notifier':
      return [process.execPath, OWN_CLIENT, root]
  }
}

/** The stand-alone notifier starts the workload itself. */
export function standAloneCommand(root: string, list: string, workload: string[]): string[] {
  const options = ['--mount', root, '--format', 'paths', '-0', '--output', list]
  return [process.execPath, NOTIFIER, ...options, '--', ...workload]
}

/** Versions of everything that a figure depends on. */
import { execFile } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { formatBytes } from '../optimizer/console.ts'
import { OPTIMIZER } from './contestants.ts'

const execute = promisify(execFile)

/** Name and version, in the order in which they are printed. */
export async function describeMachine(): Promise<[string, string][]> {
  const [cpu] = cpus()
  return [
    ['machine', `${cpus().length} × ${cpu?.model ?? 'unknown CPU'}, ${formatBytes(totalmem())} of memory`],
    ['kernel', release()],
    ['node', process.versions.node],
    ['optimizer', await optimizerVersion()],
    ['ctr-remote', await versionOf('ctr-remote', 'stargz-snapshotter')],
    ['containerd', await versionOf('containerd', 'containerd')],
  ]
}

/** `0.1.0, compression engine: libdeflate 1.14` */
async function optimizerVersion(): Promise<string> {
  const { stdout } = await execute(process.execPath, [OPTIMIZER, '--version'])
  const [name = '', engine = ''] = stdout.split('\n')
  return `${name.split(' ').at(-1)}, ${engine}`
}

/** What a command says of itself, and the Debian package where it is installed: ctr-remote's own is the library's. */
async function versionOf(command: string, debianPackage: string): Promise<string> {
  const { stdout } = await execute(command, ['--version'])
  const said = stdout.trim()
  const query = execute('dpkg-query', ['--show', '--showformat=${Version}', debianPackage])
  const version = await query.then(
    (result) => result.stdout,
    () => '',
  )
  return version === '' ? said : `${said} (Debian's ${debianPackage} ${version})`
}

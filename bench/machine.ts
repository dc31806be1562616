/** Versions of everything that a figure depends on. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
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

/** And of what pulls and is pulled from. */
export async function describeStartMachine(): Promise<[string, string][]> {
  const library = 'github.com/containerd/stargz-snapshotter/fs'
  return [
    ...(await describeMachine()),
    ['docker-registry', await versionOf('docker-registry', 'docker-registry')],
    ['snapshotter', await libraryVersion(library, 'golang-github-containerd-stargz-snapshotter-dev')],
  ]
}

/** `0.1.0, compression engine: libdeflate 1.14` */
async function optimizerVersion(): Promise<string> {
  const { stdout } = await execute(process.execPath, [OPTIMIZER, '--version'])
  const [name = '', engine = ''] = stdout.split('\n')
  return `${name.split(' ').at(-1)}, ${engine}`
}

/**
 * The Debian version of a command, by the changelog beside it: that is there whether the package is installed or
 * unpacked by bin/setup. Else what the command says of itself, which for ctr-remote is its library's version.
 */
export async function versionOf(command: string, debianPackage: string): Promise<string> {
  const { stdout: path } = await execute('sh', ['-c', 'readlink -f "$(command -v "$0")"', command])
  const version = await debianVersion(join(dirname(path.trim()), '..', 'share'), debianPackage)
  if (version !== undefined) return version
  const { stdout } = await execute(command, ['--version'])
  return stdout.trim()
}

/** A Go library's sources lie below share, as its documents do. */
async function libraryVersion(library: string, debianPackage: string): Promise<string> {
  const { stdout } = await execute('go', ['list', '-f', '{{.Root}}', library])
  return (await debianVersion(dirname(stdout.trim()), debianPackage)) ?? 'unknown'
}

async function debianVersion(share: string, debianPackage: string): Promise<string | undefined> {
  const documents = join(share, 'doc', debianPackage)
  const names = (await readdir(documents).catch(() => [])).filter((name) =>
    name.startsWith('changelog.Debian'),
  )
  // A rebuild's own changelog, changelog.Debian.amd64.gz, sorts first.
  for (const name of names.sort()) {
    const text = gunzipSync(await readFile(join(documents, name))).toString()
    const version = /^\S+ \(([^)]+)\)/.exec(text)?.[1]
    if (version !== undefined) return `${version} (Debian's ${debianPackage})`
  }
  return undefined
}

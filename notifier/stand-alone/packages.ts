/** Which package of the system each file is from, by the databases of dpkg, apk and rpm in a root directory. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, systemCodeOf } from '../../shared/errors.ts'

export interface PackageOwners {
  /** Databases that were found: `dpkg`, `apk`, `rpm`. */
  databases: string[]
  /** Path (latin1) → package and version; a path of no package is not in it. */
  owners: Map<string, string>
  /** What kept a database from being read. */
  problems: string[]
}

/** Takes the files of one package after the other, as paths with a leading slash, latin1. */
type Take = (name: string, path: string) => void

const execute = promisify(execFile)
const RPM_OUTPUT_BYTES_MAX = 1024 * 1024 * 1024

/** @param wanted paths (latin1) that an owner is wanted for: a system has a thousand times as many */
export async function packageOwners(root: string, wanted: ReadonlySet<string>): Promise<PackageOwners> {
  const result: PackageOwners = { databases: [], owners: new Map(), problems: [] }
  const links = mergedFolders(root)
  const take: Take = (name, path) => {
    const resolved = throughMergedFolder(path, links)
    if (wanted.has(resolved)) result.owners.set(resolved, name)
  }
  for (const [name, read] of [
    ['dpkg', readDpkg],
    ['apk', readApk],
    ['rpm', readRpm],
  ] as const) {
    try {
      if (await read(root, take)) result.databases.push(name)
    } catch (error) {
      result.problems.push(`the ${name} database cannot be read: ${messageOf(error)}`)
    }
  }
  return result
}

/** Folders such as /lib that are links to /usr/lib: packages name their files by either. */
function mergedFolders(root: string): Map<string, string> {
  const links = new Map<string, string>()
  for (const name of ['bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin']) {
    try {
      links.set(`/${name}`, `/${readlinkSync(join(root, name)).replace(/^\/+/, '')}`)
    } catch {
      // It is a folder of its own, or is not there.
    }
  }
  return links
}

function throughMergedFolder(path: string, links: ReadonlyMap<string, string>): string {
  const slash = path.indexOf('/', 1)
  const target = slash === -1 ? undefined : links.get(path.slice(0, slash))
  return target === undefined ? path : target + path.slice(slash)
}

function readLines(path: string): string[] {
  return readFileSync(path, 'latin1').split('\n')
}

/** Debian: a list of files per package, and one file that has the versions. */
function readDpkg(root: string, take: Take): boolean {
  const folder = join(root, 'var/lib/dpkg')
  if (!existsSync(join(folder, 'status'))) return false
  const versions = new Map<string, string>()
  let name = ''
  for (const line of readLines(join(folder, 'status'))) {
    if (line.startsWith('Package: ')) name = line.slice(9)
    else if (line.startsWith('Version: ')) versions.set(name, line.slice(9))
  }
  for (const file of readdirSync(join(folder, 'info'))) {
    if (!file.endsWith('.list')) continue
    const owner = file.slice(0, -'.list'.length).split(':')[0] as string
    const title = [owner, versions.get(owner) ?? ''].join(' ').trim()
    for (const path of readLines(join(folder, 'info', file))) take(title, path)
  }
  return true
}

/** Alpine: one file; P and V are a package's name and version, F a folder, R a file in it. */
function readApk(root: string, take: Take): boolean {
  const path = ['lib/apk/db/installed', 'usr/lib/apk/db/installed']
    .map((name) => join(root, name))
    .find((name) => existsSync(name))
  if (path === undefined) return false
  let [name, version, folder] = ['', '', '']
  for (const line of readLines(path)) {
    const value = line.slice(2)
    if (line.startsWith('P:')) name = value
    else if (line.startsWith('V:')) version = value
    else if (line.startsWith('F:')) folder = value === '' ? '' : `/${value}`
    else if (line.startsWith('R:')) take(`${name} ${version}`, `${folder}/${value}`)
  }
  return true
}

const RPM_FOLDERS = ['var/lib/rpm', 'usr/lib/sysimage/rpm', 'usr/share/rpm']
const RPM_FILES = ['rpmdb.sqlite', 'Packages.db', 'Packages']

/** Fedora, SUSE: the formats differ, rpm itself reads them all. */
async function readRpm(root: string, take: Take): Promise<boolean> {
  const folder = RPM_FOLDERS.find((name) => RPM_FILES.some((file) => existsSync(join(root, name, file))))
  if (folder === undefined) return false
  const query = '[%{=NAME} %{=VERSION}-%{=RELEASE}\\t%{FILENAMES}\\n]'
  const args = ['--root', root, '--dbpath', `/${folder}`, '--query', '--all', '--queryformat', query]
  const { stdout } = await execute('rpm', args, {
    encoding: 'latin1',
    maxBuffer: RPM_OUTPUT_BYTES_MAX,
  }).catch((error) => {
    if (systemCodeOf(error) !== 'ENOENT') throw error
    throw new Error('there is no rpm command on this machine', { cause: error })
  })
  for (const line of stdout.split('\n')) {
    const tab = line.indexOf('\t')
    if (tab > 0) take(line.slice(0, tab), line.slice(tab + 1))
  }
  return true
}

/** The `ctr-remote` of the Debian release after 12, unpacked beside the machine's own: a fairer rival than an old one. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, systemCodeOf } from '../shared/errors.ts'
import { say } from './command.ts'
import { cacheFolder } from './sample/sample-image.ts'

const SUITE = 'trixie'
const PACKAGE = 'stargz-snapshotter'

const execute = promisify(execFile)

/** Path of the program, from the cache folder or fetched now from the machine's own Debian mirror; null: not to be had. */
export async function findNewerPeer(signal: AbortSignal): Promise<string | null> {
  const cache = cacheFolder()
  const folder = join(cache, `${PACKAGE}-${SUITE}`)
  const program = join(folder, 'usr', 'bin', 'ctr-remote')
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'new-'))
  try {
    if (!(await exists(program))) {
      say(`fetching ${PACKAGE} of ${SUITE}`)
      await fetchPackage(work, signal)
      await rename(join(work, 'files'), folder).catch((error: unknown) => {
        if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
      })
    }
    await execute(program, ['--version'])
    return program
  } catch (error) {
    signal.throwIfAborted()
    say(`there is no ctr-remote of ${SUITE} here, its rows are left out: ${messageOf(error)}`)
    return null
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** With package lists of its own: the machine's apt knows nothing of the other release, before and after. */
async function fetchPackage(work: string, signal: AbortSignal): Promise<void> {
  const list = join(work, 'sources.list')
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  await writeFile(list, `deb [signed-by=${keyring}] ${await debianMirror()} ${SUITE} main\n`)
  for (const folder of ['lists/partial', 'cache/archives/partial', 'files'])
    await mkdir(join(work, folder), { recursive: true })
  const settings = {
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(work, 'lists'),
    'Dir::Cache': join(work, 'cache'),
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await execute('apt-get', [...options, 'update'], { signal })
  await execute('apt-get', [...options, 'download', PACKAGE], { cwd: work, signal })
  const archive = (await readdir(work)).find((name) => name.endsWith('.deb')) ?? ''
  await execute('dpkg-deb', ['-x', join(work, archive), join(work, 'files')], { signal })
}

/** Where the machine's own packages of Debian come from. */
async function debianMirror(): Promise<string> {
  const wanted = ['Created-By: Packages', 'Component: main', 'Label: Debian']
  const { stdout } = await execute('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...wanted])
  const [mirror] = stdout.split('\n')
  if (!mirror) throw new Error('apt knows no mirror of Debian')
  return mirror
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

/** bin/setup on a machine without a containerd, against a small Debian repository of our own. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const SETUP = fileURLToPath(new URL('../../../bin/setup', import.meta.url))
const CONTAINERD = ['containerd', 'containerd-shim-runc-v2', 'ctr']
const DPKG_STATUS = '/var/lib/dpkg/status'

describe('bin/setup on a machine without containerd', { skip: skipWithoutFanotify() }, () => {
  let folder: string
  let cache: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-setup-'))
    cache = join(folder, 'cache', 'hotlayer')
    for (const name of ['repository', 'lists/partial', 'cache/archives/partial'])
      mkdirSync(join(folder, 'apt', name), { recursive: true })
    writeRepository(join(folder, 'apt', 'repository'), [
      { name: 'containerd', depends: 'runc', commands: CONTAINERD.map((command) => `usr/bin/${command}`) },
      { name: 'runc', depends: '', commands: ['usr/sbin/runc'] },
    ])
    writeFileSync(join(folder, 'apt', 'sources.list'), `deb [trusted=yes] file:${folder}/apt/repository ./\n`)
    writeFileSync(join(folder, 'apt', 'apt.conf'), aptConfiguration(join(folder, 'apt')))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Runs bin/setup where the real commands are out of sight, in a mount namespace of its own. */
  function setup(args: string[], own = '') {
    // What an earlier bin/setup or the matrix has put on the path of this test would count as the machine's own.
    const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('/hotlayer/'))
    const hide = 'for path in $HIDDEN; do mount --bind /dev/null "$path"; done; exec "$@"'
    const places = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']
    const real = places.flatMap((place) => [...CONTAINERD, 'runc'].map((command) => join(place, command)))
    return spawnSync('unshare', ['--mount', 'bash', '-c', hide, 'bash', SETUP, ...args], {
      encoding: 'utf8',
      timeout: 300_000,
      env: {
        ...process.env,
        PATH: [own, ...path].filter((entry) => entry !== '').join(delimiter),
        HIDDEN: real.filter((command) => existsSync(command)).join(' '),
        APT_CONFIG: join(folder, 'apt', 'apt.conf'),
        XDG_CACHE_HOME: dirname(cache),
      },
    })
  }

  const tools = () => join(cache, readdirSync(cache).find((name) => name.startsWith('tools-')) ?? '')

  it('unpacks it into the cache folder, with fresh package lists, and installs nothing', () => {
    const { status, stdout, stderr } = setup([
      '--',
      'sh',
      '-c',
      'containerd; ctr; runc; containerd-shim-runc-v2',
    ])
    assert.equal(status, 0, stderr)
    assert.equal(stdout, 'I am containerd\nI am ctr\nI am runc\nI am containerd-shim-runc-v2\n')
    assert.match(stderr, /running an image needs containerd: unpacking containerd into/)
    assert.match(stderr, /running apt-get update/)
    assert.doesNotMatch(readFileSync(DPKG_STATUS, 'utf8'), /^Version: 99$/m)
  })

  it('finds it there the next time', () => {
    const { status, stdout, stderr } = setup(['--', 'containerd'])
    assert.deepEqual({ status, stdout }, { status: 0, stdout: 'I am containerd\n' })
    assert.doesNotMatch(stderr, /unpacking/)
  })

  it('leaves it again as soon as the machine has its own', () => {
    const own = join(folder, 'own')
    mkdirSync(own)
    writeFileSync(join(own, 'containerd'), '#!/bin/sh\necho I am the machine\n', { mode: 0o755 })
    const { stdout } = setup(['--', 'sh', '-c', 'containerd; ctr'], own)
    assert.equal(stdout, 'I am the machine\nI am ctr\n')
  })

  it('starts over where an earlier one was killed half-way', () => {
    rmSync(join(tools(), 'containerd'), { recursive: true })
    mkdirSync(join(tools(), 'new.killed', 'files', 'usr'), { recursive: true })
    const { status, stdout } = setup(['--', 'containerd'])
    assert.deepEqual({ status, stdout }, { status: 0, stdout: 'I am containerd\n' })
    assert.ok(!readdirSync(tools()).some((name) => name.startsWith('new.')))
  })

  it('says so and leaves nothing half done where Debian is out of reach', () => {
    rmSync(tools(), { recursive: true })
    renameSync(join(folder, 'apt', 'repository'), join(folder, 'apt', 'elsewhere'))
    const { status, stderr } = setup(['--', 'containerd'])
    assert.equal(status, 3)
    assert.match(
      stderr,
      /apt could not download runc \(see above\): connect the machine to Debian's packages/,
    )
    assert.deepEqual(readdirSync(tools()), ['bin'])
  })
})

interface TestPackage {
  name: string
  depends: string
  commands: string[]
}

/** A flat repository: packages whose commands say their own name, and the index of them. */
function writeRepository(folder: string, packages: TestPackage[]): void {
  const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
  const index = packages.map(({ name, depends, commands }) => {
    const tree = join(folder, name)
    for (const command of commands) {
      mkdirSync(join(tree, dirname(command)), { recursive: true })
      writeFileSync(join(tree, command), `#!/bin/sh\necho I am ${basename(command)}\n`)
      chmodSync(join(tree, command), 0o755)
    }
    const dependencies = depends === '' ? '' : `Depends: ${depends}\n`
    const control = `Package: ${name}\nVersion: 99\nArchitecture: ${architecture}\nMaintainer: test\n${dependencies}Description: test\n`
    mkdirSync(join(tree, 'DEBIAN'))
    writeFileSync(join(tree, 'DEBIAN', 'control'), control)
    const archive = join(folder, `${name}.deb`)
    execFileSync('dpkg-deb', ['--build', '--root-owner-group', tree, archive], { stdio: 'ignore' })
    rmSync(tree, { recursive: true })
    const digest = createHash('sha256').update(readFileSync(archive)).digest('hex')
    return `${control}Filename: ./${name}.deb\nSize: ${statSync(archive).size}\nSHA256: ${digest}\n`
  })
  writeFileSync(join(folder, 'Packages'), index.join('\n'))
}

/** Lists and caches of its own; what is installed is still the machine's. */
function aptConfiguration(folder: string): string {
  return `Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "${folder}/lists";
Dir::Cache "${folder}/cache";
APT::Sandbox::User "root";
`
}

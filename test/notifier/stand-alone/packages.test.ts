import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageOwners } from '../../../notifier/stand-alone/packages.ts'
import type { SeenFile } from '../../../notifier/stand-alone/seen-files.ts'
import { summarize, summaryText } from '../../../notifier/stand-alone/summary.ts'

const DPKG = {
  'var/lib/dpkg/status':
    'Package: libc6\nArchitecture: amd64\nVersion: 2.36-9\n\nPackage: dash\nVersion: 0.5\n',
  'var/lib/dpkg/info/libc6:amd64.list': '/.\n/lib\n/lib/libc.so.6\n',
  'var/lib/dpkg/info/libc6:amd64.md5sums': '0 lib/libc.so.6\n',
  'var/lib/dpkg/info/dash.list': '/.\n/bin/dash\n',
}
const APK = {
  'lib/apk/db/installed':
    'C:Q1\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\nZ:Q1\n\nP:base\nV:3\nF:\nF:etc\nR:passwd\n\n',
}

const RPM_SPEC = `Name: tool
Version: 1.2
Release: 3
Summary: A tool
License: MIT
BuildArch: noarch
%description
A tool.
%install
mkdir -p %{buildroot}/usr/share/tool
echo data >%{buildroot}/usr/share/tool/data
%files
/usr/share/tool/data
`

function run(command: string, args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** With root: rpm installs into another root by chroot. */
function skipWithoutRpm(): string | false {
  if (process.env.CI) return false
  if (process.getuid?.() !== 0) return 'needs root'
  return spawnSync('rpmbuild', ['--version']).error === undefined ? false : 'needs rpm: run bin/setup --test'
}

describe('the owners of files', () => {
  let root: string
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'notifier-packages-'))
  })
  after(() => rmSync(root, { recursive: true }))

  function system(files: Record<string, string>): string {
    const folder = mkdtempSync(join(root, 'system-'))
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), content)
    }
    return folder
  }

  it('are those of dpkg, found also where /lib is a link to /usr/lib', async () => {
    const folder = system(DPKG)
    mkdirSync(join(folder, 'usr/lib'), { recursive: true })
    symlinkSync('usr/lib', join(folder, 'lib'))
    const wanted = new Set(['/usr/lib/libc.so.6', '/bin/dash', '/etc/mine'])
    const { owners, databases, problems } = await packageOwners(folder, wanted)
    assert.deepEqual([databases, problems], [['dpkg'], []])
    assert.deepEqual([...owners].sort(), [
      ['/bin/dash', 'dash 0.5'],
      ['/usr/lib/libc.so.6', 'libc6 2.36-9'],
    ])
  })

  it('are those of rpm, whose own command reads its database', { skip: skipWithoutRpm() }, async () => {
    const folder = system({ 'tool.spec': RPM_SPEC })
    const top = join(folder, 'top')
    run('rpmbuild', ['--quiet', '--define', `_topdir ${top}`, '-bb', join(folder, 'tool.spec')])
    const root = ['--root', folder, '--dbpath', '/usr/lib/sysimage/rpm']
    run('rpm', [...root, '--nodeps', '--install', join(top, 'RPMS/noarch/tool-1.2-3.noarch.rpm')])
    const wanted = new Set(['/usr/share/tool/data', '/etc/mine'])
    const { owners, databases, problems } = await packageOwners(folder, wanted)
    assert.deepEqual([databases, problems], [['rpm'], []])
    assert.deepEqual([...owners], [['/usr/share/tool/data', 'tool 1.2-3']])
  })

  it('are those of apk', async () => {
    const wanted = new Set(['/lib/ld-musl-x86_64.so.1', '/etc/passwd', '/etc/mine'])
    const { owners, databases } = await packageOwners(system(APK), wanted)
    assert.deepEqual(databases, ['apk'])
    assert.deepEqual(
      [...owners],
      [
        ['/lib/ld-musl-x86_64.so.1', 'musl 1.2.5-r0'],
        ['/etc/passwd', 'base 3'],
      ],
    )
  })

  it('are none where there is no database', async () => {
    const { owners, databases, problems } = await packageOwners(system({}), new Set(['/a']))
    assert.deepEqual([owners.size, databases, problems], [0, [], []])
  })

  it('are told to be unknown where a database cannot be read', async () => {
    const { databases, problems } = await packageOwners(
      system({ 'var/lib/dpkg/status': '' }),
      new Set(['/a']),
    )
    assert.deepEqual(databases, [])
    assert.match(problems.join(), /^the dpkg database cannot be read: ENOENT/)
  })

  it('do not steer the terminal by their names', async () => {
    const root = system({ 'lib/apk/db/installed': 'P:\x1b]0;evil\x07\nV:1\nF:etc\nR:passwd\n' })
    const file = { kinds: 1, pid: 1, command: null, sizeBytes: 1, elapsedMicroseconds: 0 }
    const summary = await summarize([{ ...file, path: Buffer.from('/etc/passwd') }], root)
    assert.match(summaryText(summary, 1), /\\x1b\]0;evil\\x07 1\n/)
    assert.ok(!summaryText(summary, 1).includes('\x1b'))
  })

  it('are in the summary, beside kinds, directories and processes', async () => {
    const file = (path: string, kinds: number, sizeBytes: number, command: string | null): SeenFile => ({
      path: Buffer.from(path),
      kinds,
      pid: 1,
      command: command === null ? null : Buffer.from(command),
      sizeBytes,
      elapsedMicroseconds: 0,
    })
    const files = [
      file('/bin/dash', 3, 2048, 'sh'),
      file('/usr/lib/deep/er/x', 1, 10, 'sh'),
      file('/usr/lib/y', 1, 1, null),
      file('/z', 4, 0, 'a\nb'),
    ]
    const summary = await summarize(files, system(DPKG))
    assert.deepEqual(summaryText(summary, 1.5).split('\n'), [
      '4 files, 2.0 KiB, in 1.500 s',
      'by kind:',
      '       1 file      2.0 KiB  exec',
      '       2 files        11 B  open',
      '       1 file          0 B  read',
      'by directory:',
      '       1 file      2.0 KiB  /bin',
      '       2 files        11 B  /usr/lib',
      '       1 file          0 B  /',
      'by process:',
      '       2 files     2.0 KiB  sh',
      '       1 file          1 B  (ended)',
      '       1 file          0 B  a\\nb',
      'by package (dpkg):',
      '       1 file      2.0 KiB  dash 0.5',
      '       3 files        11 B  (no package)',
      '',
    ])
  })
})

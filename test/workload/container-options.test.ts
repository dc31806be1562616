/** Each option that shapes the container: what the runtime spec has with it, and does not have without it. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { optionsOf } from '../../optimizer/commands/command-facts.ts'
import { addContainerOptions } from '../../optimizer/commands/container-options.ts'
import { type SeenWorkload, seenWorkload } from '../helpers/workload-request.ts'

const folder = mkdtempSync(join(tmpdir(), 'container-options-'))
const file = (name: string) => join(folder, name)

/** The first bytes of a program that needs no loader: a header without program headers. */
function staticProgram(): Buffer {
  const header = Buffer.alloc(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  return header
}

const path = process.env.PATH
before(() => {
  writeFileSync(file('env'), '# a comment\nA=from the file\nB="quoted" \n')
  writeFileSync(file('seccomp.json'), '{"defaultAction":"SCMP_ACT_LOG"}')
  for (const name of ['docker-init', 'some-runtime']) {
    writeFileSync(file(name), staticProgram())
    chmodSync(file(name), 0o755)
  }
  process.env.PATH = [folder, path].join(delimiter)
})
after(() => {
  process.env.PATH = path
  rmSync(folder, { recursive: true })
})

const mountAt = (destination: string) => (seen: SeenWorkload) =>
  seen.spec.mounts
    .filter((mount) => mount.destination === destination)
    .map(({ type, source, options }) => [type, source, ...options])
const capabilities = (seen: SeenWorkload) => seen.spec.process.capabilities.bounding
const lines = (path: string) => (seen: SeenWorkload) => (seen.files[path] ?? '').split('\n').slice(0, -1)
const OWN_HOSTS = ['127.0.0.1\tlocalhost hotlayer', '::1\tlocalhost ip6-localhost ip6-loopback']

interface Row {
  words: string[]
  look: (seen: SeenWorkload) => unknown
  wanted: unknown
}

/** By option. The values are functions, for the files are made later. */
const ROWS: Record<string, Row[]> = {
  'env-file': [
    {
      words: ['--env-file', file('env')],
      look: ({ spec }) => spec.process.env,
      wanted: ['PATH=/bin', 'A=from the file', 'B="quoted" '],
    },
    {
      words: ['--env', 'A=mine', '--env-file', file('env')],
      look: ({ spec }) => spec.process.env,
      wanted: ['PATH=/bin', 'A=mine', 'B="quoted" '],
    },
  ],
  'keep-cmd': [
    {
      words: ['--entrypoint', '["/mine"]', '--keep-cmd'],
      look: ({ spec }) => spec.process.args,
      wanted: ['/mine', 'cmd'],
    },
  ],
  hostname: [
    { words: ['--hostname', 'web-1.example'], look: ({ spec }) => spec.hostname, wanted: 'web-1.example' },
    { words: ['--hostname', 'web', '--net-host'], look: ({ spec }) => spec.hostname, wanted: 'web' },
    {
      words: ['--hostname', 'web'],
      look: lines('/etc/hosts'),
      wanted: ['127.0.0.1\tlocalhost web', OWN_HOSTS[1]],
    },
  ],
  'read-only': [{ words: ['--read-only'], look: ({ spec }) => spec.root.readonly, wanted: true }],
  tmpfs: [
    {
      words: ['--tmpfs', '/run'],
      look: mountAt('/run'),
      wanted: [['tmpfs', 'tmpfs', 'noexec', 'nosuid', 'nodev']],
    },
    {
      words: ['--tmpfs', '/run/:size=64m,mode=755,exec'],
      look: mountAt('/run'),
      wanted: [['tmpfs', 'tmpfs', 'noexec', 'nosuid', 'nodev', 'size=64m', 'mode=755', 'exec']],
    },
  ],
  mount: [
    {
      words: ['--mount', `type=bind,src=${folder},dst=/x`],
      look: mountAt('/x'),
      wanted: [['bind', folder, 'rbind', 'rprivate']],
    },
    {
      words: ['--mount', `source=${folder},target=/x/,readonly,bind-propagation=rslave`],
      look: mountAt('/x'),
      wanted: [['bind', folder, 'rbind', 'ro', 'rslave']],
    },
    {
      words: ['--mount', `type=bind,source=${folder},destination=/x=y,options=rbind:ro`],
      look: mountAt('/x=y'),
      wanted: [['bind', folder, 'rprivate', 'rbind', 'ro']],
    },
    {
      words: ['--mount', `"src=${folder}","dst=/x,""y"""`],
      look: mountAt('/x,"y"'),
      wanted: [['bind', folder, 'rbind', 'rprivate']],
    },
    {
      words: ['--mount', 'type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700'],
      look: mountAt('/x'),
      wanted: [['tmpfs', 'tmpfs', 'noexec', 'nosuid', 'nodev', 'size=1048576', 'mode=700']],
    },
    {
      words: ['--mount', 'type=tmpfs,dst=/dev/shm,options=exec'],
      look: mountAt('/dev/shm'),
      wanted: [['tmpfs', 'tmpfs', 'noexec', 'nosuid', 'nodev', 'exec']],
    },
    {
      words: ['--mount', `src=${folder},dst=/etc/hosts`],
      look: mountAt('/etc/hosts'),
      wanted: [['bind', folder, 'rbind', 'rprivate']],
    },
  ],
  volume: [
    {
      words: ['-v', `${folder}:/x:ro`],
      look: mountAt('/x'),
      wanted: [['bind', folder, 'rbind', 'rprivate', 'ro']],
    },
    {
      words: ['--volume', `${folder}:/a/b`, '--tmpfs', '/a'],
      look: ({ spec }) => spec.mounts.map(({ destination }) => destination).slice(-3),
      wanted: ['/a', '/a/b', '/etc/hosts'],
    },
  ],
  'shm-size': [
    {
      words: ['--shm-size', '1g'],
      look: mountAt('/dev/shm'),
      wanted: [['tmpfs', 'shm', 'nosuid', 'noexec', 'nodev', 'mode=1777', 'size=1073741824']],
    },
  ],
  privileged: [
    { words: ['--privileged'], look: ({ spec }) => spec.linux.maskedPaths, wanted: [] },
    { words: ['--privileged'], look: ({ spec }) => spec.linux.readonlyPaths, wanted: [] },
    {
      words: ['--privileged'],
      look: ({ spec }) => spec.linux.resources.devices,
      wanted: [{ allow: true, access: 'rwm' }],
    },
    {
      words: ['--privileged'],
      look: mountAt('/sys'),
      wanted: [['sysfs', 'sysfs', 'nosuid', 'noexec', 'nodev']],
    },
  ],
  'cap-add': [
    {
      words: ['--cap-drop', 'all', '--cap-add', 'net_admin', '--cap-add', 'CAP_CHOWN'],
      look: capabilities,
      wanted: ['CAP_CHOWN', 'CAP_NET_ADMIN'],
    },
  ],
  'cap-drop': [
    { words: ['--cap-drop', 'ALL'], look: capabilities, wanted: [] },
    { words: ['--cap-drop', 'kill'], look: (seen) => capabilities(seen).includes('CAP_KILL'), wanted: false },
  ],
  'security-opt': [
    {
      words: ['--security-opt', 'seccomp=default'],
      look: ({ spec }) => spec.linux.seccomp?.syscalls[0]?.names.includes('mount'),
      wanted: true,
    },
    {
      words: ['--security-opt', `seccomp=${file('seccomp.json')}`],
      look: ({ spec }) => spec.linux.seccomp,
      wanted: { defaultAction: 'SCMP_ACT_LOG', syscalls: [] },
    },
    {
      words: ['--security-opt', 'no-new-privileges'],
      look: ({ spec }) => spec.process.noNewPrivileges,
      wanted: true,
    },
    {
      words: ['--security-opt', 'no-new-privileges:true'],
      look: ({ spec }) => spec.process.noNewPrivileges,
      wanted: true,
    },
    {
      words: ['--security-opt', 'systempaths=unconfined'],
      look: ({ spec }) => spec.linux.maskedPaths,
      wanted: [],
    },
  ],
  device: [
    {
      words: ['--device', '/dev/zero:/dev/nothing:r'],
      look: ({ spec }) => spec.linux.devices,
      wanted: [{ path: '/dev/nothing', type: 'c', major: 1, minor: 5, fileMode: 0o666, uid: 0, gid: 0 }],
    },
    {
      words: ['--device', '/dev/zero'],
      look: ({ spec }) => spec.linux.resources.devices.at(-1),
      wanted: { allow: true, type: 'c', access: 'rwm', major: 1, minor: 5 },
    },
  ],
  ulimit: [
    {
      words: ['--ulimit', 'nofile=2048:4096', '--ulimit', 'core=0'],
      look: ({ spec }) => spec.process.rlimits,
      wanted: [
        { type: 'RLIMIT_NOFILE', soft: 2048, hard: 4096 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
    },
    {
      words: ['--ulimit', 'memlock=1:unlimited'],
      look: ({ json }) => json.includes('{"type":"RLIMIT_MEMLOCK","soft":1,"hard":18446744073709551615}'),
      wanted: true,
    },
  ],
  memory: [
    {
      words: ['-m', '64m'],
      look: ({ spec }) => spec.linux.resources.memory,
      wanted: { limit: 67108864 },
    },
    {
      words: ['--memory', '64m'],
      look: mountAt('/sys/fs/cgroup'),
      wanted: [['cgroup', 'cgroup', 'nosuid', 'noexec', 'nodev', 'relatime', 'ro']],
    },
  ],
  cpus: [
    {
      words: ['--cpus', '1.5'],
      look: ({ spec }) => spec.linux.resources.cpu,
      wanted: { quota: 150000, period: 100000 },
    },
  ],
  'pids-limit': [
    { words: ['--pids-limit', '20'], look: ({ spec }) => spec.linux.resources.pids, wanted: { limit: 20 } },
  ],
  label: [
    {
      words: ['--label', 'a=b=c', '-l', 'bare'],
      look: ({ container }) => container.labels,
      wanted: { a: 'b=c', bare: '' },
    },
  ],
  init: [
    {
      words: ['--init'],
      look: ({ spec }) => spec.process.args,
      wanted: ['/sbin/docker-init', '--', '/entry', 'cmd'],
    },
    {
      words: ['--init'],
      look: mountAt('/sbin/docker-init'),
      wanted: [['bind', file('docker-init'), 'bind', 'ro']],
    },
  ],
  runtime: [
    {
      words: ['--runtime', 'some-runtime'],
      look: ({ container }) => container.runtime,
      wanted: { shim: 'io.containerd.runc.v2', program: file('some-runtime') },
    },
    {
      words: ['--runtime', 'io.containerd.kata.v2'],
      look: ({ container }) => container.runtime,
      wanted: { shim: 'io.containerd.kata.v2' },
    },
    {
      words: ['--runtime', 'runc'],
      look: ({ container }) => container.runtime,
      wanted: { shim: 'io.containerd.runc.v2' },
    },
  ],
  'dns-nameservers': [
    {
      words: ['--dns-nameservers', '9.9.9.9,2620:fe::fe', '--dns', '1.1.1.1'],
      look: lines('/etc/resolv.conf'),
      wanted: ['nameserver 9.9.9.9', 'nameserver 2620:fe::fe', 'nameserver 1.1.1.1'],
    },
    {
      words: ['--net-host', '--dns', '9.9.9.9'],
      look: (seen) => lines('/etc/resolv.conf')(seen).filter((line) => line.startsWith('nameserver')),
      wanted: ['nameserver 9.9.9.9'],
    },
  ],
  'dns-search-domains': [
    {
      words: ['--dns-search-domains', 'example.com,b.example'],
      look: lines('/etc/resolv.conf'),
      wanted: ['search example.com b.example'],
    },
  ],
  'dns-options': [
    {
      words: ['--dns-option', 'ndots:2', '--dns-option', 'rotate'],
      look: lines('/etc/resolv.conf'),
      wanted: ['options ndots:2 rotate'],
    },
  ],
  'add-hosts': [
    {
      words: ['--add-hosts', 'db:10.0.0.7,db6:fd00::7', '--add-host', 'other=[::1]'],
      look: lines('/etc/hosts'),
      wanted: [...OWN_HOSTS, '10.0.0.7\tdb', 'fd00::7\tdb6', '::1\tother'],
    },
    {
      words: ['--net-host', '--add-hosts', 'db:10.0.0.7'],
      look: (seen) => lines('/etc/hosts')(seen).at(-1),
      wanted: '10.0.0.7\tdb',
    },
  ],
}

/** Where an option stands for another one too. */
const ALIASES: Record<string, string[]> = {
  volume: ['v'],
  memory: ['m'],
  label: ['l'],
  'dns-nameservers': ['dns'],
  'dns-search-domains': ['dns-search'],
  'dns-options': ['dns-option'],
  'add-hosts': ['add-host'],
}

describe('an option that shapes the container is in the runtime spec, and nothing else puts it there', () => {
  it('every option has its rows', () => {
    const all = optionsOf(addContainerOptions).map(({ name }) => name)
    // Which files describe a GPU is the machine's matter: attended-options.test.ts.
    assert.deepEqual([...all, 'env-file'].sort(), [...Object.keys(ROWS), 'gpus'].sort())
  })
  for (const [option, rows] of Object.entries(ROWS)) {
    for (const { words, look, wanted } of rows) {
      it(words.join(' ').replaceAll(folder, 'DIR'), async () => {
        assert.deepEqual(look(await seenWorkload(words)), wanted)
        const dropped = [option, ...(ALIASES[option] ?? [])]
        assert.notDeepEqual(look(await seenWorkload(words, { dropped })), wanted)
      })
    }
  }
})

describe('without options', () => {
  it('the container is the usual one', async () => {
    const { spec, files, container } = await seenWorkload([])
    assert.equal(spec.linux.seccomp, undefined)
    assert.equal(spec.process.noNewPrivileges, false)
    assert.equal(spec.process.apparmorProfile, undefined)
    assert.deepEqual(spec.process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }])
    assert.deepEqual(Object.keys(spec.linux.resources), ['devices'])
    assert.equal(spec.linux.devices, undefined)
    assert.deepEqual(Object.keys(files), ['/etc/hosts'])
    assert.deepEqual(Object.keys(container), ['capabilities'])
  })

  it('any number of processes may be asked for', async () => {
    for (const words of [['--pids-limit', '-1'], ['--pids-limit=0']])
      assert.equal((await seenWorkload(words)).spec.linux.resources.pids, undefined)
  })
})

/** The optimizer in a container of the same containerd, with what docs/in-container.md gives it and nothing more. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runFoldersRoot } from '../../optimizer/workload/run.ts'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { type Finished, finished, OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
const DOCS = readFileSync(join(REPOSITORY, 'docs', 'in-container.md'), 'utf8')
/** Those of the command that the docs tell people to type. */
const DOCUMENTED = [...DOCS.matchAll(/--cap-add[= ]([A-Z_]+)/g)].map(([, name]) => `CAP_${name}`)
/** What `docker run` gives every container. */
const OF_EVERY_CONTAINER = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
]
const RECORD = ['record', 'source', '--entrypoint', '["/bin/sh","-c","cat /data/a; echo done"]']

describe('The optimizer in a container', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'in-container-'))
    const layers = [busyboxFiles(), { 'data/': '', 'data/a': 'a\n', 'data/b': 'b\n' }]
    await bench.withStores((stores) => putImage(stores, 'source', layers, { Env: ['PATH=/bin'] }))
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs it in a container whose files are this machine's, to be read only. */
  async function inContainer(
    args: string[],
    spec: { capabilities: string[]; hostPids?: boolean },
  ): Promise<Finished> {
    const { address, namespace, folder: daemonFolder } = bench.containerd.daemon
    const root = mkdtempSync(join(folder, 'root-'))
    for (const name of ['proc', 'dev', 'tmp', 'run']) mkdirSync(join(root, name))
    mkdirSync(runFoldersRoot(), { recursive: true, mode: 0o700 })
    const file = join(folder, 'spec.json')
    const programs = ['/usr', '/bin', '/lib', '/lib64', '/etc', REPOSITORY, process.execPath].filter(
      existsSync,
    )
    const bind = (path: string, ...options: string[]) => ({
      destination: path,
      type: 'bind',
      source: path,
      options: ['rbind', ...options],
    })
    const capabilities = spec.capabilities
    writeFileSync(
      file,
      JSON.stringify({
        ociVersion: '1.0.2',
        process: {
          args: [process.execPath, join(REPOSITORY, 'bin', 'optimizer'), ...args],
          env: [
            `PATH=${process.env.PATH}`,
            `CONTAINERD_ADDRESS=${address}`,
            `CONTAINERD_NAMESPACE=${namespace}`,
          ],
          cwd: '/',
          user: { uid: 0, gid: 0 },
          capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
          rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }],
        },
        root: { path: root },
        mounts: [
          { destination: '/proc', type: 'proc', source: 'proc' },
          { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
          ...programs.map((path) => bind(path, 'ro')),
          bind(daemonFolder),
          bind(runFoldersRoot()),
        ],
        linux: {
          resources: { devices: [{ allow: true, access: 'rwm' }] },
          namespaces: [
            { type: 'mount' },
            { type: 'ipc' },
            { type: 'uts' },
            { type: 'network' },
            ...(spec.hostPids === false ? [{ type: 'pid' }] : []),
          ],
        },
      }),
    )
    const id = `in-container-${Math.random().toString(36).slice(2)}`
    const words = ['--address', address, '--namespace', namespace, 'run', '--rm', '--config', file, id]
    return await finished(spawn('ctr', words, { stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  it('records what it records beside the container', async () => {
    mkdirSync(runFoldersRoot(), { recursive: true, mode: 0o700 })
    const { ino } = statSync(runFoldersRoot())
    const outside = await bench.run(RECORD)
    assert.equal(outside.code, 0, outside.stderr)
    assert.equal(
      statSync(runFoldersRoot()).ino,
      ino,
      'a run on the host takes the folder away from containers',
    )
    const inside = await inContainer(RECORD, { capabilities: [...OF_EVERY_CONTAINER, ...DOCUMENTED] })
    assert.equal(inside.code, 0, inside.stderr)
    const paths = ({ stdout }: Finished) =>
      parseRecord(stdout).entries.map(({ phase, path }) => `${phase} ${path.toString()}`)
    assert.deepEqual(paths(inside), paths(outside))
    assert.ok(paths(inside).includes('run data/a'))
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('whose run folder was removed on the host is told so', async () => {
    const gone = join(folder, 'gone')
    mkdirSync(gone, { mode: 0o700 })
    const script = 'mount --bind "$0" "$1" && rmdir "$0" && shift && exec "$@"'
    const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, gone]
    const { code, stdout, stderr } = await bench.run(RECORD, {}, [...wrapper, runFoldersRoot()])
    assert.deepEqual({ code, stdout }, { code: 3, stdout: '' }, stderr)
    assert.match(stderr, /was removed on the host .* \[RUN_FOLDER_GONE\]$/m)
  })

  it('without the pid namespace of the host is refused before anything runs', async () => {
    const capabilities = [...OF_EVERY_CONTAINER, ...DOCUMENTED]
    const { code, stdout, stderr } = await inContainer(RECORD, { capabilities, hostPids: false })
    assert.deepEqual({ code, stdout }, { code: 3, stdout: '' }, stderr)
    assert.match(stderr, /--pid=host.* \[PID_NAMESPACE_FOREIGN\]$/m)
    assert.deepEqual(await bench.leftovers(), [])
  })

  for (const missing of DOCUMENTED)
    it(`without ${missing} is refused with a sentence, and leaves nothing`, async () => {
      const documented = DOCUMENTED.filter((name) => name !== missing)
      const { code, stderr } = await inContainer(RECORD, {
        capabilities: [...OF_EVERY_CONTAINER, ...documented],
      })
      assert.equal(code, 3, stderr)
      assert.match(stderr, new RegExp(`${missing}.*\\[[A-Z_]+\\]$`, 'm'))
      assert.deepEqual(await bench.leftovers(), [])
    })
})

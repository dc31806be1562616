import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ContainerConfig } from '../../optimizer/image/manifest.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import { planProcess, runtimeSpec } from '../../optimizer/workload/spec/runtime-spec.ts'

const OPTIONS: WorkloadOptions = {
  env: [],
  netHost: false,
  periodSeconds: 1,
  stopTimeoutSeconds: 1,
  snapshotter: 'overlayfs',
}
const plan = (config: ContainerConfig, options: Partial<WorkloadOptions> = {}) =>
  planProcess(config, { ...OPTIONS, ...options })

describe('the command', () => {
  const image = { Entrypoint: ['/entry', 'e'], Cmd: ['c1', 'c2'] }
  const cases: [string, ContainerConfig, Partial<WorkloadOptions>, string[]][] = [
    ["is the image's entrypoint and command", image, {}, ['/entry', 'e', 'c1', 'c2']],
    ["is the image's command alone where it has no entrypoint", { Cmd: ['c1'] }, {}, ['c1']],
    ["of --entrypoint drops the image's command", image, { entrypoint: ['/mine'] }, ['/mine']],
    ["of --args replaces the image's command alone", image, { args: ['a'] }, ['/entry', 'e', 'a']],
    ["of empty --args drops the image's command", image, { args: [] }, ['/entry', 'e']],
    ['of both is nothing of the image', image, { entrypoint: ['/mine'], args: ['a'] }, ['/mine', 'a']],
    ['of an empty --entrypoint is --args alone', image, { entrypoint: [], args: ['a'] }, ['a']],
  ]
  for (const [name, config, options, args] of cases)
    it(name, () => assert.deepEqual(plan(config, options).args, args))

  it('must be named by somebody', () => {
    assert.throws(() => plan({}), { code: 'COMMAND_MISSING', exitCode: 3 })
    assert.throws(() => plan(image, { entrypoint: [] }), { code: 'COMMAND_MISSING' })
  })
})

describe('the environment', () => {
  const env = (image: string[], changes: string[]) => plan({ Cmd: ['c'], Env: image }, { env: changes }).env

  it("is the image's, changed and removed by name", () => {
    const changes = ['B=new=value', 'C', 'D=', 'PATH=/y']
    assert.deepEqual(env(['PATH=/x', 'A=1', 'B=2', 'C=3'], changes), ['PATH=/y', 'A=1', 'B=new=value', 'D='])
  })

  it('gets the usual PATH where the image has none, unless PATH is removed', () => {
    assert.deepEqual(env(['A=1'], []), [
      'A=1',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ])
    assert.deepEqual(env(['A=1'], ['PATH']), ['A=1'])
  })

  it('ignores what is not a variable', () => {
    assert.deepEqual(env(['PATH=/x', 'nonsense'], ['absent']), ['PATH=/x'])
  })
})

describe('the working folder', () => {
  const cwd = (image: string | undefined, option?: string) =>
    plan(
      { Cmd: ['c'], ...(image === undefined ? {} : { WorkingDir: image }) },
      option === undefined ? {} : { cwd: option },
    ).cwd

  it("is the option's, else the image's, else the root", () => {
    assert.equal(cwd('/image', '/option'), '/option')
    assert.equal(cwd('/image'), '/image')
    assert.equal(cwd(''), '/')
    assert.equal(cwd(undefined), '/')
  })

  it('is absolute, as image builders do not always write it', () => {
    assert.equal(cwd('app'), '/app')
    assert.equal(cwd('/../../x'), '/x')
  })
})

/** What these tests look at. */
interface Spec {
  hostname?: string
  root: object
  process: { capabilities: Record<string, string[]>; noNewPrivileges: boolean; user: object; env: string[] }
  mounts: { destination: string }[]
  linux: { namespaces: { type: string; path?: string }[] }
}

describe('the runtime spec', () => {
  const parts = {
    plan: plan({ Cmd: ['c'], Env: ['PATH=/x'] }),
    user: { uid: 1, gid: 2, additionalGids: [2, 3] },
    rootPath: '/run/x/rootfs',
    mountNamespacePath: '/proc/7/ns/mnt',
    cgroupPath: '/id',
    network: { hostname: 'h' },
    files: [{ source: '/host/hosts', destination: '/etc/hosts' }],
  }
  const spec = (changes: object = {}): Spec =>
    JSON.parse(JSON.stringify(runtimeSpec({ ...parts, ...changes })))

  it("joins the notifier's mount namespace and makes new ones of every other kind", () => {
    assert.deepEqual(spec().linux.namespaces, [
      { type: 'pid' },
      { type: 'ipc' },
      { type: 'uts' },
      { type: 'mount', path: '/proc/7/ns/mnt' },
      { type: 'network' },
    ])
  })

  it('shares the host network by having no network namespace, and no name of its own then', () => {
    const shared = spec({ network: null })
    assert.ok(!shared.linux.namespaces.some(({ type }) => type === 'network'))
    assert.equal(shared.hostname, undefined)
    assert.equal(spec().hostname, 'h')
  })

  it('has the mounted root, writable, at its absolute path', () => {
    assert.deepEqual(spec().root, { path: '/run/x/rootfs', readonly: false })
  })

  it('hides nothing that the image may have under /run', () => {
    const destinations = spec().mounts.map(({ destination }) => destination)
    assert.deepEqual(destinations, [
      '/proc',
      '/dev',
      '/dev/pts',
      '/dev/shm',
      '/dev/mqueue',
      '/sys',
      '/etc/hosts',
    ])
  })

  it('shows the network files as copies that may be written to', () => {
    assert.deepEqual(spec().mounts.at(-1), {
      destination: '/etc/hosts',
      type: 'bind',
      source: '/host/hosts',
      options: ['bind', 'rw'],
    })
  })

  it('gives the process the usual capabilities and no more', () => {
    const { process } = spec()
    assert.equal(process.capabilities.bounding?.length, 14)
    assert.ok(!process.capabilities.bounding?.includes('CAP_SYS_ADMIN'))
    assert.equal(process.capabilities.inheritable, undefined)
    assert.equal(process.noNewPrivileges, false)
    assert.deepEqual(process.user, { uid: 1, gid: 2, additionalGids: [2, 3] })
    assert.deepEqual(process.env, ['PATH=/x'])
  })
})

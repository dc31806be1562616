import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cdiDevices, cdiNames } from '../../optimizer/workload/devices/cdi.ts'

const GPUS = `cdiVersion: 0.6.0
kind: example.com/gpu
containerEdits:
  env: [GPU=on]
  hooks:
    - { hookName: createContainer, path: /usr/bin/hook, args: [hook, update] }
devices:
  - name: "0"
    containerEdits:
      deviceNodes:
        - { path: /dev/gpu0, hostPath: /dev/zero }
      mounts:
        - { hostPath: /usr/lib/libgpu.so, containerPath: /usr/lib/libgpu.so, options: [ro, nosuid] }
  - name: 1
    containerEdits:
      deviceNodes:
        - { path: /dev/gpu1, type: c, major: 195, minor: 1, permissions: rw, fileMode: 438 }
      additionalGids: [44]
`

describe('devices that their vendors describe', () => {
  let folders: string[]
  let root: string
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'cdi-'))
  })
  after(() => rmSync(root, { recursive: true }))
  function files(texts: Record<string, string>): void {
    folders = ['etc', 'run', 'absent'].map((name) => join(root, name))
    for (const folder of folders.slice(0, 2)) {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
    }
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(root, name), text)
  }
  const devices = (...names: string[]) => cdiDevices(names, folders)

  it('bring variables, nodes, mounts, hooks and groups', () => {
    files({ 'etc/gpu.yaml': GPUS, 'etc/README': 'kind: none' })
    assert.deepEqual(devices('example.com/gpu=0'), {
      env: ['GPU=on'],
      nodes: [
        { path: '/dev/gpu0', type: 'c', major: 1, minor: 5, fileMode: 0o666, uid: 0, gid: 0, access: 'rwm' },
      ],
      mounts: [
        {
          destination: '/usr/lib/libgpu.so',
          type: 'bind',
          source: '/usr/lib/libgpu.so',
          options: ['rbind', 'ro', 'nosuid'],
        },
      ],
      hooks: { createContainer: [{ path: '/usr/bin/hook', args: ['hook', 'update'] }] },
      additionalGids: [],
    })
  })

  it('may have lists that YAML takes for null: nothing stands behind their names', () => {
    const lists = 'env:, deviceNodes:, mounts:, hooks:, additionalGids:'.replaceAll(':', ': ')
    files({
      'etc/gpu.yaml': `kind: example.com/gpu\ndevices: [{ name: "0", containerEdits: { ${lists} } }]\n`,
    })
    const nothing = { env: [], nodes: [], mounts: [], hooks: {}, additionalGids: [] }
    assert.deepEqual(devices('example.com/gpu=0'), nothing)
  })

  it('bring what all of a file have once, however many are asked for', () => {
    files({ 'etc/gpu.yaml': GPUS })
    const { env, nodes, hooks, additionalGids } = devices('example.com/gpu=0', 'example.com/gpu=1')
    assert.deepEqual(env, ['GPU=on'])
    assert.deepEqual(nodes[1], {
      path: '/dev/gpu1',
      type: 'c',
      major: 195,
      minor: 1,
      fileMode: 0o666,
      access: 'rw',
    })
    assert.equal(hooks.createContainer?.length, 1)
    assert.deepEqual(additionalGids, [44])
  })

  it('may be described as JSON, and the later folder counts more', () => {
    const json = (value: string) =>
      JSON.stringify({
        cdiVersion: '0.5.0',
        kind: 'example.com/net',
        devices: [{ name: 'a', containerEdits: { env: [`FROM=${value}`] } }],
      })
    files({ 'etc/net.json': json('etc'), 'run/net.json': json('run') })
    assert.deepEqual(devices('example.com/net=a').env, ['FROM=run'])
    assert.deepEqual(cdiNames('example.com/net', folders), ['example.com/net=a'])
  })

  it('are refused by name where no file, or more than one, knows them', () => {
    files({ 'etc/gpu.yaml': GPUS })
    assert.throws(() => devices('example.com/gpu=2'), {
      code: 'DEVICE_UNKNOWN',
      exitCode: 3,
      message: `example.com/gpu=2: no file in ${folders.slice(0, 2).join(' or ')} or ${folders[2]} (which is not there) describes the device example.com/gpu=2: they know example.com/gpu=0, example.com/gpu=1`,
    })
    assert.throws(() => cdiDevices(['nvidia.com/gpu=all'], folders.slice(1), () => '--gpus all'), {
      message: `--gpus all: no file in ${folders[1]} or ${folders[2]} (which is not there) describes the device nvidia.com/gpu=all: no device is described there at all; nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml writes such a file`,
    })
    files({ 'etc/a.yaml': GPUS, 'etc/b.yaml': GPUS })
    assert.throws(() => devices('example.com/gpu=0'), {
      code: 'DEVICE_AMBIGUOUS',
      message: /a\.yaml and .*b\.yaml/,
    })
  })

  it('are refused where the file is unsound, or the machine has no such node', () => {
    const broken = ['kind: [', 'kind: a/b', 'kind: a/b\ndevices: [{}]']
    for (const text of broken) {
      files({ 'etc/x.yaml': text })
      assert.throws(() => devices('a/b=c'), {
        code: 'CDI_INVALID',
        message: /^a\/b=c: .*x\.yaml describes no devices/,
      })
    }
    const node = (edits: string) => `kind: a/b\ndevices: [{name: c, containerEdits: {${edits}}}]`
    for (const edits of [
      'deviceNodes: [{}]',
      'mounts: [{hostPath: /a}]',
      'hooks: [{path: /a}]',
      'env: [A]',
    ]) {
      files({ 'etc/x.yaml': node(edits) })
      assert.throws(() => devices('a/b=c'), { code: 'CDI_INVALID' })
    }
    files({ 'etc/x.yaml': node('deviceNodes: [{path: /dev/no-such-device}]') })
    assert.throws(() => devices('a/b=c'), { code: 'DEVICE_MISSING', exitCode: 3 })
  })
})

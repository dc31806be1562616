import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plannedRun } from '../../optimizer/dry-run.ts'
import type { ContainerConfig } from '../../optimizer/image/manifest.ts'
import type { ResolvedImage } from '../../optimizer/store/resolve.ts'
import { parsedWorkload } from '../helpers/workload-request.ts'

const digest = `sha256:${'0'.repeat(64)}` as const
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 1 }

function image(config: ContainerConfig, layers = 1): ResolvedImage {
  const platform = { os: 'linux', architecture: 'amd64' }
  return {
    name: 'image',
    root: layer,
    index: null,
    descriptor: layer,
    manifest: { schemaVersion: 2, config: layer, layers: Array.from({ length: layers }, () => layer) },
    config: { ...platform, config, rootfs: { type: 'layers', diff_ids: [] } },
    platform,
  }
}

const planned = async (words: string[], config: ContainerConfig = { Cmd: ['/run'] }, layers = 1) =>
  plannedRun(image(config, layers), await parsedWorkload(words))

describe('a dry run', () => {
  it('tells when the run would end, and how', async () => {
    const { stop } = await planned(
      ['--wait-on-line', 'ready', '--ready-exec', '["true"]', '--settle', '500ms', '--stop-timeout', '2s'],
      { Cmd: ['/run'], StopSignal: 'SIGQUIT' },
    )
    assert.deepEqual(stop, {
      ready: [
        { rule: 'wait-on-line', value: 'ready' },
        { rule: 'ready-exec', value: ['true'] },
      ],
      settleSeconds: 0.5,
      boundSeconds: 120,
      signal: 3,
      killedAfterSeconds: 2,
    })
    const bound = async (words: string[]) => (await planned(words)).stop.boundSeconds
    assert.equal(await bound([]), 10)
    assert.equal(await bound(['--period', '3s']), 3)
    assert.equal(await bound(['--wait-on-signal']), null)
  })

  it('tells what would be watched, where the root need not be seen for that', async () => {
    const mark = async (words: string[], layers?: number) =>
      (await planned(words, undefined, layers)).mark.kind
    assert.equal(await mark([]), 'filesystem')
    assert.equal(await mark(['--mark', 'mount']), 'mount')
    assert.equal(await mark(['--snapshotter', 'native']), 'mount')
    assert.equal(await mark(['--snapshotter', 'stargz']), null)
    assert.equal(await mark([], 0), null)
  })

  it('gives what only the run knows a name, a user by name among it', async () => {
    const known = await planned(['--user', '7:8'])
    assert.deepEqual(known.spec.process.user, { uid: 7, gid: 8, additionalGids: [8] })
    const unknown = await planned(['--user', 'web'])
    assert.equal(unknown.spec.process.user, undefined)
    assert.ok(unknown.decidedByTheRun.includes('process.user'))
    assert.deepEqual(Object.keys(known.files), ['/etc/hosts'])
  })
})

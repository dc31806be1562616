import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import { RegistryImages } from '../../optimizer/store/registry.ts'
import { FakeRegistry, fail, testSettings } from '../helpers/fake-registry.ts'
import { run } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

describe('a target in a registry that may not be written', () => {
  it('is told before anything of the source is asked for', async () => {
    const registry = await FakeRegistry.start()
    try {
      registry.fault = ({ method }, response) => {
        if (method === 'POST') fail(response, 403, 'DENIED', 'read only')
        return method === 'POST'
      }
      const [source, target] = ['source', 'target'].map((name) => `docker://${registry.host}/team/${name}:1`)
      await assert.rejects(run('convert', source ?? '', target ?? '', '--no-optimize'), {
        code: 'REGISTRY_DENIED',
        message: /does not allow .* that a blob of .*team\/target is written \(DENIED: read only\)/,
      })
      assert.deepEqual(registry.calls(), ['POST /v2/team/target/blobs/uploads/'])
    } finally {
      await registry.stop()
    }
  })

  it('leaves no upload behind where it may', async () => {
    const registry = await FakeRegistry.start()
    try {
      const [source, target] = ['source', 'target'].map((name) => `docker://${registry.host}/team/${name}:1`)
      await assert.rejects(run('convert', source ?? '', target ?? '', '--no-optimize'), { code: 'NOT_FOUND' })
      assert.equal(registry.openUploads, 0)
    } finally {
      await registry.stop()
    }
  })
})

describe('an image of which a mirror gives other layers', () => {
  it('is converted from the registry itself, and the mirror is told', async () => {
    const [own, mirror] = [await FakeRegistry.start(), await FakeRegistry.start()]
    const folder = mkdtempSync(join(tmpdir(), 'hosts-'))
    const access = new RegistryAccess(testSettings(tmpdir()))
    try {
      mkdirSync(join(folder, own.host))
      const table = `[host."http://${mirror.host}"]\ncapabilities = ["pull", "resolve"]\n`
      writeFileSync(join(folder, own.host, 'hosts.toml'), table)
      const reference = { registry: own.host, repository: 'team/source', tag: '1', digest: null }
      const images = new RegistryImages(access, reference, 'write')
      const layers = [tarOf([file('data', 'd'.repeat(100_000))])]
      await putPlatforms(images, `${own.host}/team/source:1`, [{ platform: hostPlatform(), layers }])
      await images.close()
      for (const [repository, manifests] of own.manifests) mirror.manifests.set(repository, manifests)
      const wrong = [...(own.blobs.get('team/source') ?? [])].map(
        ([digest, bytes]) => [digest, Buffer.alloc(bytes.length)] as const,
      )
      mirror.blobs.set('team/source', new Map(wrong))
      const [source, target] = ['source', 'target'].map((name) => `docker://${own.host}/team/${name}:1`)
      const options = ['--no-optimize', '--hosts-dir', folder]
      const { stderr } = await run('convert', source ?? '', target ?? '', ...options)
      // Of the config and of the layer.
      for (const [digest] of wrong) {
        const told = `warning: ${mirror.host} gave other bytes of blob ${digest}: .*; ${own.host} is asked instead`
        assert.match(stderr, new RegExp(told))
      }
      assert.equal((await run('verify', source ?? '', target ?? '')).failure, null)
    } finally {
      await access.close()
      await Promise.all([own.stop(), mirror.stop()])
      rmSync(folder, { recursive: true })
    }
  })
})

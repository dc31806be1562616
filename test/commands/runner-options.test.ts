/** What runs the image, from the command line and from where the image is. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Arguments } from '../../optimizer/commands/command.ts'
import { cacheFolder, runnerOption } from '../../optimizer/commands/runner-options.ts'
import { parseLocation } from '../../optimizer/image/location.ts'
import { parsedWorkload } from '../helpers/workload-request.ts'

describe('--runner', () => {
  let folder: string
  let program: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'runner-options-'))
    program = join(folder, 'a-runtime')
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
  })
  after(() => rmSync(folder, { recursive: true }))

  const chosen = async (source: string, argv: Arguments) =>
    runnerOption({ 'cache-dir': '/cache', 'dry-run': true, ...argv }, parseLocation('source', source), [
      await parsedWorkload(['--runtime', program]),
    ])

  it('is containerd for what is in containerd, else runc', async () => {
    assert.deepEqual(await chosen('image:1', {}), { kind: 'containerd' })
    for (const source of ['oci:folder:1', 'oci-archive:file.tar', 'docker://image:1']) {
      const { kind, ...rest } = await chosen(source, {})
      assert.equal(kind, 'runc')
      assert.equal('cacheFolder' in rest && rest.cacheFolder, '/cache')
    }
  })

  it('may be runc for what is in containerd, and not the other way round', async () => {
    assert.equal((await chosen('image:1', { runner: 'runc' })).kind, 'runc')
    await assert.rejects(chosen('oci:folder', { runner: 'containerd' }), {
      code: 'OPTIONS_CONTRADICT',
      exitCode: 2,
    })
  })

  it('calls no shim, which is what containerd runs', async () => {
    const words = ['--runtime', 'io.containerd.kata.v2']
    const workload = [await parsedWorkload(words)]
    assert.throws(() => runnerOption({}, parseLocation('source', 'oci:folder'), workload), {
      code: 'RUNTIME_UNSUITABLE',
      exitCode: 3,
    })
    assert.equal(runnerOption({}, parseLocation('source', 'image:1'), workload).kind, 'containerd')
  })

  it('keeps layers where caches are', () => {
    const before = process.env.XDG_CACHE_HOME
    try {
      process.env.XDG_CACHE_HOME = '/caches'
      assert.equal(cacheFolder({}), '/caches/hotlayer')
      delete process.env.XDG_CACHE_HOME
      assert.match(cacheFolder({}), /\/\.cache\/hotlayer$/)
    } finally {
      if (before !== undefined) process.env.XDG_CACHE_HOME = before
    }
  })
})

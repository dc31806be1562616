/** Commands of a runtime that do not end. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { removeContainer } from '../../optimizer/workload/runc/container.ts'
import { Runtime } from '../../optimizer/workload/runc/runtime.ts'

describe('a runtime that hangs', () => {
  let folder: string
  let program: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'runtime-'))
    program = join(folder, 'hanging')
    writeFileSync(program, '#!/bin/sh\ncase "$*" in *create*) ;; *) sleep 1000 & ;; esac\nexec sleep 1000\n')
    chmodSync(program, 0o755)
  })
  after(() => rmSync(folder, { recursive: true }))
  const runtime = () => new Runtime(program, folder, 0.05)
  const stuck = { code: 'RUNTIME_FAILED', message: /hanging (start|create) has not ended within 0.05 s/ }

  it('is killed, with what it has started, and told', async () => {
    await assert.rejects(runtime().run(['start', 'id']), stuck)
  })

  it('is given up where being killed does not close what it has opened', async () => {
    const lasting = join(folder, 'lasting')
    // In a session of its own, with the same stderr, for as long as the test's folder is there.
    const other = 'while [ -e "$0" ]; do sleep 0.1; done'
    writeFileSync(lasting, `#!/bin/sh\nsetsid sh -c '${other}' "$0" &\nexec sleep 1000\n`)
    chmodSync(lasting, 0o755)
    await assert.rejects(new Runtime(lasting, folder, 0.5, 0.05).run(['start', 'id']), {
      code: 'RUNTIME_FAILED',
      message: /lasting start has not ended within 0.5 s and was killed/,
    })
  })

  it('is killed, too, where it was to leave a process behind', async () => {
    const streams = { consoleSocket: null, stdio: ['ignore', 'ignore', 'ignore'] } as const
    await assert.rejects(runtime().leave(['create', 'id'], streams), stuck)
  })

  it('is done without where a container has to go', async () => {
    const warnings: string[] = []
    const removed = await removeContainer(runtime(), 'hotlayer-no-such', (words) => warnings.push(words))
    assert.equal(removed, true)
    assert.match(warnings[0] ?? '', /hanging delete has not ended .*: the container was removed without it/)
  })

  it('leaves a line for whoever has to remove it by hand', () => {
    assert.equal(
      runtime().commandLine(['delete', '--force', 'id']),
      `${program} --root ${folder}/state delete --force id`,
    )
  })
})

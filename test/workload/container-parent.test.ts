/** The parent of a container's process, with a shell script in place of the runtime. */
import assert from 'node:assert/strict'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ContainerParent } from '../../optimizer/workload/runc/container-parent.ts'

describe("a container's parent", () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'container-parent-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  let count = 0
  /** @param process what the runtime leaves behind; `$1` is where its pid goes */
  async function parentOf(process: string, end = 'exit 0'): Promise<ContainerParent> {
    const pidFile = join(folder, `pid-${++count}`)
    const script = `${process} & echo $! >"$1"; ${end}`
    const out = openSync(join(folder, 'out'), 'a')
    try {
      return await ContainerParent.start({
        command: ['/bin/sh', '-c', script, 'runtime', pidFile],
        pidFile,
        consoleSocket: null,
        stdio: ['ignore', out, 'ignore'],
      })
    } finally {
      closeSync(out)
    }
  }

  it('learns how it ended, which the runtime has left behind', async () => {
    const go = join(folder, 'go')
    const parent = await parentOf(`(while ! [ -e ${go} ]; do sleep 0.01; done; echo said; exit 7)`)
    writeFileSync(go, '')
    assert.equal(await parent.ended, 7)
    assert.match(readFileSync(join(folder, 'out'), 'utf8'), /said/)
  })

  it('does not wait for ever for what the runtime itself has seen end', async () => {
    assert.equal(await (await parentOf('(exit 5)', 'wait; exit 0')).ended, null)
  })

  it('passes signals on', async () => {
    const parent = await parentOf('exec sleep 1000')
    assert.match(readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8'), /sleep/)
    parent.signal(9)
    assert.equal(await parent.ended, 137)
    parent.signal(9)
  })

  it('kills it when nobody wants it any more', async () => {
    const parent = await parentOf('exec sleep 1000')
    await parent.end()
    assert.equal(existsSync(`/proc/${parent.pid}`), false)
  })

  it('tells that the runtime has failed', async () => {
    await assert.rejects(parentOf('true', 'exit 3'), { code: 'RUNTIME_FAILED', message: /status 3/ })
  })
})

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  formatIdentity,
  makeOwnFolder,
  ownerState,
  ownIdentity,
  parseIdentity,
  stateOf,
} from '../../optimizer/store/process-identity.ts'

describe('the identity of a process', () => {
  const own = ownIdentity()

  it('survives its text form, which fits into a label', () => {
    const text = formatIdentity(own)
    assert.deepEqual(parseIdentity(text), own)
    assert.match(text, /^[^\s]{1,200}$/)
  })

  it('is not read from anything else', () => {
    for (const text of ['', '1', 'a,b,c,d', '1,2,3', '1,2,3,4,5', '-1,2,3,4'])
      assert.equal(parseIdentity(text), null, text)
  })

  it('tells that this process lives', () => assert.equal(stateOf(own), 'alive'))

  it('tells a dead process, also when its pid is used again', async () => {
    const child = spawn('true')
    await once(child, 'exit')
    assert.equal(stateOf({ ...own, pid: child.pid as number }), 'dead')
    assert.equal(stateOf({ ...own, startTicks: '1' }), 'dead')
  })

  it('takes every process of an earlier boot for dead', () => {
    assert.equal(stateOf({ ...own, bootId: 'another' }), 'dead')
  })

  it('does not judge a process of another pid namespace', () => {
    assert.equal(stateOf({ ...own, pidNamespace: 'pid:[1]' }), 'unknown')
  })
})

describe('a folder of a process', () => {
  const MODULE = new URL('../../optimizer/store/process-identity.js', import.meta.url)
  let all: string
  before(() => {
    all = mkdtempSync(join(tmpdir(), 'owners-'))
  })
  after(() => rmSync(all, { recursive: true }))

  it('names who has made it', () => assert.equal(ownerState(makeOwnFolder(join(all, 'x-'))), 'alive'))

  it('does not stay where its name cannot be written', () => {
    const folder = join(all, 'full')
    mkdirSync(folder)
    const script = `import { makeOwnFolder } from '${MODULE}'
      process.on('SIGXFSZ', () => {})
      try { makeOwnFolder(${JSON.stringify(join(folder, 'x-'))}) } catch (error) { process.exitCode = error.code === 'EFBIG' ? 7 : 1 }`
    const limited = 'ulimit -f 0; exec "$0" --input-type=module -e "$1"'
    const { status } = spawnSync('sh', ['-c', limited, process.execPath, script])
    assert.equal(status, 7)
    assert.deepEqual(readdirSync(folder), [])
  })

  it('is of a dead one where it has been without a name, and with nothing else, for long', () => {
    const folder = join(all, 'nameless')
    mkdirSync(folder)
    writeFileSync(join(folder, 'process'), '')
    assert.equal(ownerState(folder), 'unknown')
    const longAgo = Date.now() / 1000 - 61
    utimesSync(folder, longAgo, longAgo)
    assert.equal(ownerState(folder), 'dead')
  })

  it('is of nobody that can be told where we cannot look into it, as when it has just gone', () =>
    assert.equal(ownerState(join(all, 'gone')), 'unknown'))
})

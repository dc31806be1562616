/** What a killed run leaves in a layout or beside an archive, and who may remove it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { claim } from '../../native/claim.ts'
import { cleanStaging } from '../../optimizer/store/clean-staging.ts'
import { LOCK_FILE, OciLayout } from '../../optimizer/store/oci-layout.ts'
import { formatIdentity, ownIdentity } from '../../optimizer/store/process-identity.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const STORES = new URL('../../optimizer/store/', import.meta.url)

/** A process that writes a blob into a store and is killed then. */
function killed(store: 'oci-layout.js' | 'oci-archive.js', path: string): void {
  const script = `import * as module from '${new URL(store, STORES)}'
    const store = await Object.values(module).find((each) => each.openForWriting).openForWriting(${JSON.stringify(path)})
    const writer = await store.content.writer('blob')
    await writer.write(Buffer.alloc(100))
    process.kill(process.pid, 'SIGKILL')`
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
  assert.equal(signal, 'SIGKILL', String(stderr))
}

describe('Cleaning layouts and the folders of archives', () => {
  let all: string
  let folder: string
  before(() => {
    all = mkdtempSync(join(tmpdir(), 'clean-'))
  })
  after(() => rmSync(all, { recursive: true }))
  beforeEach(() => {
    folder = mkdtempSync(join(all, 'x-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('removes what killed runs left, by command, and nothing else', () => {
    const layout = join(folder, 'layout')
    const archive = join(folder, 'image.tar')
    killed('oci-layout.js', layout)
    killed('oci-archive.js', archive)
    writeFileSync(join(folder, '.hotlayer-file'), 'not a folder')
    const left = [...readdirSync(folder), ...readdirSync(layout)].filter((name) => name.startsWith('.'))
    assert.equal(left.length, 3)
    const places = [`oci:${layout}:1`, `oci-archive:${archive}`]
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'clean', ...places], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    assert.equal(stdout.match(/^\.hotlayer-\w+: removed folder \/.*$/gm)?.length, 2, stdout)
    assert.deepEqual(readdirSync(folder).sort(), ['.hotlayer-file', 'layout'])
    assert.deepEqual(readdirSync(layout), [])
  })

  it('leaves alone what a running process writes', async () => {
    const layout = await OciLayout.openForWriting(folder)
    await layout.content.writer('blob')
    assert.deepEqual(await cleanStaging(folder), { runs: [], undecided: [] })
    assert.equal(readdirSync(folder).length, 1)
    await layout.close()
  })

  it('leaves alone, and tells, what names no process, or one that cannot be seen from here', async () => {
    for (const [name, owner] of [
      ['.hotlayer-none', undefined],
      ['.hotlayer-odd', 'somebody'],
      ['.hotlayer-elsewhere', formatIdentity({ ...ownIdentity(), pidNamespace: 'pid:[1]' })],
    ] as const) {
      mkdirSync(join(folder, name))
      if (owner !== undefined) writeFileSync(join(folder, name, 'process'), owner)
    }
    const { runs, undecided } = await cleanStaging(folder)
    assert.deepEqual(runs, [])
    assert.deepEqual(
      undecided,
      ['.hotlayer-elsewhere', '.hotlayer-none', '.hotlayer-odd'].map((name) => join(folder, name)),
    )
  })

  it('removes a folder whose process was killed before it could name itself: empty, and for a minute', async () => {
    const longAgo = Date.now() / 1000 - 61
    for (const name of ['.hotlayer-empty', '.hotlayer-used', '.hotlayer-new']) {
      mkdirSync(join(folder, name))
      if (name === '.hotlayer-used') writeFileSync(join(folder, name, 'file'), 'of somebody')
      if (name !== '.hotlayer-new') utimesSync(join(folder, name), longAgo, longAgo)
    }
    const { runs, undecided } = await cleanStaging(folder)
    assert.deepEqual(
      runs.map(({ id }) => id),
      ['.hotlayer-empty'],
    )
    assert.deepEqual(
      undecided,
      ['.hotlayer-new', '.hotlayer-used'].map((name) => join(folder, name)),
    )
    assert.deepEqual(readdirSync(folder).sort(), ['.hotlayer-new', '.hotlayer-used'])
  })

  it('removes the lock of a layout that nobody holds, and no other', async () => {
    const lock = join(folder, LOCK_FILE)
    writeFileSync(lock, '')
    // No layout: not ours.
    assert.deepEqual(await cleanStaging(folder), { runs: [], undecided: [] })
    writeFileSync(join(folder, 'oci-layout'), '')
    const release = await claim(lock, AbortSignal.timeout(10_000))
    assert.deepEqual(await cleanStaging(folder), { runs: [], undecided: [] })
    assert.ok(existsSync(lock))
    release()
    writeFileSync(lock, '')
    const { runs } = await cleanStaging(folder)
    assert.deepEqual(runs, [{ id: LOCK_FILE, removed: [`lock ${lock}`], failures: [] }])
    assert.deepEqual(readdirSync(folder), ['oci-layout'])
  })

  it('follows no link', async () => {
    const elsewhere = join(folder, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'process'), formatIdentity({ ...ownIdentity(), bootId: 'an earlier one' }))
    symlinkSync('elsewhere', join(folder, '.hotlayer-link'))
    assert.deepEqual(await cleanStaging(folder), { runs: [], undecided: [] })
    assert.ok(existsSync(elsewhere))
  })

  it('says which folder it cannot look into', async () => {
    const absent = join(folder, 'absent')
    await assert.rejects(cleanStaging(absent), { code: 'FOLDER_UNREADABLE', exitCode: 3 })
  })
})

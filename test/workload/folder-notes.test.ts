/** Which run folders have to stay when something of the run could not be removed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { attach, detach } from '../../optimizer/workload/cni/attachment.ts'
import { hasNotes } from '../../optimizer/workload/folder-notes.ts'
import { noteRunc } from '../../optimizer/workload/runc/notes.ts'

describe('the folder of a run that could not be undone', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'folder-notes-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('need not stay for what containerd has', () => assert.equal(hasNotes(folder), false))

  it('stays for what a runtime of our own has', () => {
    noteRunc(folder, { program: '/usr/sbin/runc' })
    assert.equal(hasNotes(folder), true)
  })

  it('stays for a network until that has been left', async () => {
    const network = { name: 'net', cniVersion: '1.0.0', file: 'net.conflist', plugins: [] }
    await attach(folder, 'id', '/ns', { network, pluginDirs: [] })
    assert.equal(hasNotes(folder), true)
    await detach(folder)
    assert.equal(hasNotes(folder), false)
  })
})

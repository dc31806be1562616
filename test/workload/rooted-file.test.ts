import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readRootedFile } from '../../optimizer/workload/rooted-file.ts'

describe('a file of an image', () => {
  let folder: string
  let root: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'rooted-'))
    root = join(folder, 'root')
    mkdirSync(join(root, 'etc'), { recursive: true })
    mkdirSync(join(root, 'usr/lib'), { recursive: true })
    writeFileSync(join(folder, 'secret'), 'of the host')
    writeFileSync(join(root, 'secret'), 'of the image')
    writeFileSync(join(root, 'etc/plain'), 'plain text')
    writeFileSync(join(root, 'usr/lib/target'), 'target text')
    const links = {
      'etc/absolute': '/usr/lib/target',
      'etc/relative': '../usr/lib/target',
      'etc/escape': '../../../../../../secret',
      'etc/host': join(folder, 'secret'),
      'etc/loop': 'loop',
      'etc/dangling': '/nowhere',
      lib: 'usr/lib',
    }
    for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path))
    execFileSync('mkfifo', [join(root, 'etc/fifo')])
  })
  after(() => rmSync(folder, { recursive: true }))
  const read = (path: string, bytesMax = 100) => readRootedFile(root, path, bytesMax)

  it('is read', () => assert.equal(read('/etc/plain'), 'plain text'))

  it('is found through symlinks of files and folders', () => {
    assert.equal(read('/etc/absolute'), 'target text')
    assert.equal(read('/etc/relative'), 'target text')
    assert.equal(read('/lib/target'), 'target text')
  })

  it('is never one of the host, whatever a symlink says', () => {
    assert.equal(read('/etc/escape'), 'of the image')
    assert.equal(read('/../../secret'), 'of the image')
    assert.equal(read('/etc/host'), null)
  })

  it('is null when it is not there, not a file, or a circle', () => {
    for (const path of ['/etc/absent', '/etc/dangling', '/etc/loop', '/etc', '/etc/fifo', '/etc/plain/below'])
      assert.equal(read(path), null, path)
  })

  it('is refused when it is too large', () => {
    assert.throws(() => read('/etc/plain', 5), { code: 'ROOTED_FILE_TOO_LARGE' })
  })
})

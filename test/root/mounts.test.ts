import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { copyMountInto, makeFifo, mount, unmount } from '../../native/mounts.ts'
import { NativeError } from '../../native/system-error.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

function mountInfo(target: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.filter((line) => line.split(' ')[4] === target)
}

describe('mounting', { skip: skipWithoutFanotify() }, () => {
  let folder: string
  let target: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-mounts-'))
    mount({ type: 'tmpfs', source: 'tmpfs', target: folder, options: ['size=16m', 'rw'] })
    target = join(folder, 'target')
    for (const name of ['target', 'source', 'upper', 'work']) mkdirSync(join(folder, name))
  })
  after(() => {
    unmount(folder)
    rmdirSync(folder)
  })

  function makeLayers(count: number): string[] {
    return Array.from({ length: count }, (_, index) => {
      const layer = join(folder, `layer-${index}-${'x'.repeat(60)}`)
      mkdirSync(layer, { recursive: true })
      writeFileSync(join(layer, `file-${index}`), '')
      return layer
    })
  }

  function overlay(layers: string[], options: string[] = []): void {
    const upper = [`upperdir=${join(folder, 'upper')}`, `workdir=${join(folder, 'work')}`]
    const all = ['index=off', ...upper, `lowerdir=${layers.join(':')}`, ...options]
    mount({ type: 'overlay', source: 'overlay', target, options: all })
  }

  it('binds read-only in two steps, as mount(2) wants it', () => {
    mount({ type: 'bind', source: join(folder, 'source'), target, options: ['rbind', 'ro', 'nosuid'] })
    try {
      assert.throws(() => writeFileSync(join(target, 'x'), ''), { code: 'EROFS' })
      writeFileSync(join(folder, 'source', 'x'), '')
      assert.match(mountInfo(target)[0] as string, / ro,nosuid/)
    } finally {
      assert.equal(unmount(target), true)
    }
  })

  for (const count of [2, 40, 200]) {
    it(`merges ${count} layers, the first on top, writable`, () => {
      const layers = makeLayers(count)
      writeFileSync(join(layers[0] as string, 'same'), 'top')
      writeFileSync(join(layers[1] as string, 'same'), 'below')
      overlay(layers, ['nosuid', 'volatile'])
      try {
        assert.equal(readdirSync(target).length, count + 1)
        assert.equal(readFileSync(join(target, 'same'), 'utf8'), 'top')
        writeFileSync(join(target, 'new'), '')
        assert.match(mountInfo(target)[0] as string, / rw,nosuid,/)
      } finally {
        unmount(target)
        renewUpper()
      }
    })
  }

  /** Overlay refuses a work folder that a volatile mount has used. */
  function renewUpper(): void {
    for (const name of ['upper', 'work']) {
      rmSync(join(folder, name), { recursive: true })
      mkdirSync(join(folder, name))
    }
  }

  it('says what the file system says when it fails', () => {
    assert.throws(
      () => overlay(makeLayers(200), ['no-such-option']),
      (error) => {
        assert.ok(error instanceof NativeError)
        assert.equal(error.code, 'MOUNT_FAILED')
        assert.equal(error.systemCode, 'EINVAL')
        assert.match(error.message, /^cannot mount overlay at .*Unknown parameter 'no-such-option'/)
        return true
      },
    )
    assert.deepEqual(mountInfo(target), [])
  })

  it('refuses options beyond a page of what is no overlay', () => {
    const options = [`size=1m`, `x=${'y'.repeat(5000)}`]
    assert.throws(() => mount({ type: 'tmpfs', source: 'tmpfs', target, options }), {
      code: 'MOUNT_OPTIONS_TOO_LONG',
    })
  })

  it('says what is not there', () => {
    assert.throws(
      () => mount({ type: 'tmpfs', source: 'tmpfs', target: join(folder, 'absent'), options: [] }),
      { code: 'MOUNT_FAILED', systemCode: 'ENOENT', message: /^cannot mount tmpfs at .*ENOENT/ },
    )
  })

  it('is undone once; there is nothing to undo then', () => {
    mount({ type: 'tmpfs', source: 'tmpfs', target, options: [] })
    assert.equal(unmount(target), true)
    assert.equal(unmount(target), false)
    assert.equal(unmount(join(folder, 'absent')), false)
  })

  it('is not undone while in use, but can be detached', () => {
    mount({ type: 'tmpfs', source: 'tmpfs', target, options: [] })
    const before = process.cwd()
    process.chdir(target)
    try {
      assert.throws(() => unmount(target), { code: 'UNMOUNT_FAILED', systemCode: 'EBUSY' })
      assert.equal(unmount(target, { detach: true }), true)
      assert.deepEqual(mountInfo(target), [])
    } finally {
      process.chdir(before)
    }
  })

  it('is copied into another mount namespace, mounts below it included, once', async () => {
    mount({ type: 'tmpfs', source: 'tmpfs', target, options: [] })
    mkdirSync(join(target, 'below'))
    mount({ type: 'tmpfs', source: 'tmpfs', target: join(target, 'below'), options: [] })
    writeFileSync(join(target, 'below', 'file'), 'of the copied mount')
    const elsewhere = spawn('unshare', ['--mount', '--propagation', 'private', 'cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    try {
      // An echo: it is in its namespace, which has what was mounted before it.
      elsewhere.stdin.write('ready\n')
      await once(elsewhere.stdout, 'data')
      const own = join(folder, 'source')
      mount({ type: 'bind', source: target, target: own, options: ['rbind'] })
      const there = () => {
        const lines = readFileSync(`/proc/${elsewhere.pid}/mountinfo`, 'utf8').split('\n')
        return lines.map((line) => line.split(' ')[4]).filter((point) => point?.startsWith(own))
      }
      assert.deepEqual(there(), [])
      copyMountInto(`/proc/${elsewhere.pid}/ns/mnt`, own)
      copyMountInto(`/proc/${elsewhere.pid}/ns/mnt`, own)
      assert.deepEqual(there(), [own, join(own, 'below')])
      assert.equal(
        readFileSync(join(`/proc/${elsewhere.pid}/root`, own, 'below', 'file'), 'utf8'),
        'of the copied mount',
      )
    } finally {
      elsewhere.kill()
      await once(elsewhere, 'exit')
      unmount(join(folder, 'source', 'below'))
      unmount(join(folder, 'source'))
      unmount(join(target, 'below'))
      unmount(target)
    }
  })

  it('is not copied where it cannot be', () => {
    assert.throws(() => copyMountInto('/proc/self/ns/net', target), {
      code: 'MOUNT_FAILED',
      systemCode: 'EINVAL',
    })
    assert.throws(() => copyMountInto('/proc/self/ns/mnt', join(folder, 'absent')), {
      code: 'MOUNT_FAILED',
      systemCode: 'ENOENT',
    })
  })

  it('has named pipes beside it', () => {
    const path = join(folder, 'fifo')
    makeFifo(path, 0o600)
    assert.ok(statSync(path).isFIFO())
    assert.throws(() => makeFifo(path, 0o600), { code: 'FIFO_FAILED', systemCode: 'EEXIST' })
  })
})

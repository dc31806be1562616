/** Full disks: for the record, for the spool, for containerd's content store. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { mount, unmount } from '../../native/mounts.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, putFreshImages } from './fault-bench.ts'

const LAYER_BYTES = 8 * 1024 * 1024
/** Room for small files, not for a layer. */
const DISK_SIZE = '1m'

describe('a full disk', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'optimizer-disk-'))
    await putFreshImages(bench, ['image'], { 'data/large': randomBytes(LAYER_BYTES) })
    // So that nothing but the disk in question is written to, and fills.
    await bench.optimize('image', 'unpacked', BRIEF)
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A small file system over a folder while `body` runs. */
  async function withDisk(target: string, size: string, body: () => Promise<void>): Promise<void> {
    mkdirSync(target, { recursive: true })
    mount({ type: 'tmpfs', source: 'tmpfs', target, options: [`size=${size}`] })
    try {
      await body()
    } finally {
      // At once, though a daemon may not have closed yet what it could not write.
      unmount(target, { detach: true })
    }
  }

  async function fails(
    options: string[],
    environment: Record<string, string>,
    code: string,
  ): Promise<string> {
    const result = await bench.run(['optimize', 'image', 'target', ...BRIEF, ...options], environment)
    assert.deepEqual([result.code, result.stdout], [3, ''], result.stderr)
    assert.match(
      result.stderr,
      new RegExp(`^optimizer: .*ENOSPC.*\\[${code}\\]$|^optimizer: .*no space left.*\\[${code}\\]$`, 'ms'),
    )
    await assert.rejects(bench.stores.images.get('target'), NotFoundError)
    return result.stderr
  }

  it('for the spool is an error that names the folder, and nothing is left in it', async () => {
    const disk = join(folder, 'spool')
    await withDisk(disk, DISK_SIZE, async () => {
      const stderr = await fails([], { TMPDIR: disk }, 'SPOOL_FAILED')
      assert.ok(stderr.includes(disk))
      assert.deepEqual(readdirSync(disk), [])
    })
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('for the record is an error, and no half of it is left', async () => {
    const disk = join(folder, 'record')
    // Not even one block: a file can be made, and nothing written to it.
    await withDisk(disk, DISK_SIZE, async () => {
      const filler = join(disk, 'filler')
      fill(filler)
      await fails(['--record-out', join(disk, 'record')], {}, 'RECORD_NOT_WRITTEN')
      assert.deepEqual(readdirSync(disk), ['filler'])
    })
    assert.deepEqual(await bench.leftovers(), [])
  })

  it("for containerd's content is an error, and nothing is left of the new blobs", async () => {
    const ingests = join(bench.containerd.daemon.folder, 'root', 'io.containerd.content.v1.content', 'ingest')
    await withDisk(ingests, DISK_SIZE, async () => {
      await fails([], {}, 'STORE_FULL')
      assert.deepEqual(await bench.leftovers(), [])
    })
  })
})

/** Writes until there is no room. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (;;) writeSync(file, Buffer.alloc(4096))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}

/** The cache of unpacked layers: who may use it, what appears in it, and what goes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs, {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { claim } from '../../native/claim.ts'
import { isOverlay } from '../../native/mounts.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { TarEntry } from '../../optimizer/tar/entry.ts'
import { TarIndexer } from '../../optimizer/tar/indexer.ts'
import type { IndexedLayer, OpenedLayer } from '../../optimizer/tar/layer.ts'
import { type CacheLimits, cleanCache } from '../../optimizer/unpack/clean-cache.ts'
import { hexOf, LayerCache } from '../../optimizer/unpack/layer-cache.ts'
import { CONTENTS_FILE } from '../../optimizer/unpack/layer-contents.ts'
import type { LayerUse } from '../../optimizer/unpack/layer-use.ts'
import { PreconditionError } from '../../shared/errors.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { dir, file, link, tarOf } from '../helpers/tar-language.ts'
import { openTar } from '../helpers/tar-layer.ts'

const CLAIM = new URL('../../native/claim.js', import.meta.url)
const IDENTITY = new URL('../../optimizer/store/process-identity.js', import.meta.url)
const NEVER = new AbortController().signal
const OWN = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

describe('the cache of unpacked layers', () => {
  let folder: string
  let cache: LayerCache
  beforeEach(() => {
    // A container's own root is an overlay, on which there can be no cache.
    folder = mkdtempSync(join(isOverlay(tmpdir()) ? '/dev/shm' : tmpdir(), 'layer-cache-'))
    cache = LayerCache.open(folder, SILENT_LOG)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** A layer of one file of that many bytes, in a folder that it names or not. */
  const layerTar = (name: string, sizeBytes: number, namesFolder = true) =>
    tarOf([...(namesFolder ? [dir(`${name}/`, OWN)] : []), file(`${name}/file`, 'x'.repeat(sizeBytes), OWN)])

  const use = async (...args: Parameters<typeof useOf>) => (await useOf(...args)).use
  /** @param opened gets the positions of layers that are opened */
  async function useOf(
    id: string,
    tars: readonly Buffer[],
    opened: number[] = [],
  ): Promise<{ use: LayerUse; lowers: string[] }> {
    const layers = tars.map((tar, index) => ({
      diffId: digestOf(tar),
      chainId: digestOf(
        tars
          .slice(0, index + 1)
          .map((each) => digestOf(each))
          .join(),
      ),
    }))
    const made = cache.newUse(id)
    const { lowers } = await made.lowers(
      layers,
      {
        use: async (index, body) => {
          opened.push(index)
          const layer = await openTar(tars[index] as Buffer)
          try {
            return await body(layer)
          } finally {
            await layer.close()
          }
        },
        skip: () => {},
      },
      NEVER,
    )
    return { use: made, lowers }
  }
  const there = () => readdirSync(join(cache.folder, 'layers')).sort()
  const clean = (limits: CacheLimits | null) => cleanCache(cache, limits, () => false, NEVER)
  const hexes = (...tars: Buffer[]) => tars.map((tar) => hexOf(digestOf(tar))).sort()

  it('unpacks a layer once, whoever uses it', async () => {
    const [one, other] = [layerTar('a', 1), layerTar('b', 2)]
    const opened: number[] = []
    for (const id of ['first', 'second']) (await use(id, [one, other], opened)).end()
    assert.deepEqual(opened, [0, 1])
    assert.deepEqual(there(), hexes(one, other))
    assert.deepEqual(readdirSync(join(cache.folder, 'runs')), [])
  })

  it('keeps a layer apart for each base where it does not name its own folders', async () => {
    const [base, top] = [layerTar('a', 1), layerTar('a', 2, false)]
    ;(await use('first', [base, top])).end()
    assert.equal(there().includes(hexOf(digestOf(top))), false)
    const opened: number[] = []
    ;(await use('again', [base, top], opened)).end()
    assert.deepEqual(opened, [])
  })

  it('unpacks a layer once where two runs want it at the same time, on different bases', async () => {
    const tar = layerTar('a', 1)
    const opened: string[] = []
    const add = (base: string, meanwhile = async () => {}) =>
      cache.add(
        { diffId: digestOf(tar), chainId: digestOf(base) },
        async (body) => {
          opened.push(base)
          await meanwhile()
          const layer = await openTar(tar)
          return await body(layer).finally(() => layer.close())
        },
        [],
        NEVER,
      )
    let second: ReturnType<typeof add> | undefined
    const first = await add('one', async () => {
      second = add('other')
      await new Promise((resolve) => setImmediate(resolve))
    })
    assert.deepEqual([first.isNew, (await second)?.isNew, opened], [true, false, ['one']])
    assert.deepEqual(there(), hexes(tar))
  })

  it('names the folder of a layer that an image has twice in its topmost place alone', async () => {
    const [one, twice] = [layerTar('a', 1), layerTar('b', 2)]
    const { lowers } = await useOf('run', [twice, one, twice])
    const folderOf = (tar: Buffer) => join(cache.folder, 'layers', hexOf(digestOf(tar)), 'fs')
    assert.deepEqual(lowers, [folderOf(twice), folderOf(one)])
  })

  it('gives a root that every user may look into, whatever the umask says', async () => {
    const before = process.umask(0o077)
    try {
      const { use, lowers } = await useOf('run', [layerTar('a', 1)])
      assert.equal(statSync(use.makeUpper(lowers).upper).mode & 0o777, 0o755)
    } finally {
      process.umask(before)
    }
  })

  it('leaves out extended attributes that the file system has no place for', async () => {
    const tar = tarOf([file('a', 'x', { ...OWN, format: 'pax', xattrs: { 'nowhere.name': 'x' } })])
    await use('run', [tar])
    assert.deepEqual(there(), hexes(tar))
  })

  it('ends the use of folders that are deeper than any path can tell', async () => {
    const { use, lowers } = await useOf('run', [layerTar('a', 1)])
    let descriptor = openSync(use.makeUpper(lowers).upper, 'r')
    for (let depth = 0; depth < 30; depth++) {
      const path = `/proc/self/fd/${descriptor}/${'d'.repeat(200)}`
      mkdirSync(path)
      const inner = openSync(path, 'r')
      closeSync(descriptor)
      descriptor = inner
    }
    closeSync(descriptor)
    use.end()
    assert.deepEqual(readdirSync(join(cache.folder, 'runs')), [])
  })

  it('unpacks anew what an earlier boot has unpacked', async () => {
    const tar = layerTar('a', 1)
    ;(await use('first', [tar])).end()
    const facts = join(cache.folder, 'layers', hexOf(digestOf(tar)), 'layer.json')
    writeFileSync(facts, JSON.stringify({ ...JSON.parse(readFileSync(facts, 'utf8')), bootId: 'before' }))
    const opened: number[] = []
    ;(await use('second', [tar], opened)).end()
    assert.deepEqual(opened, [0])
    assert.deepEqual(there(), hexes(tar))
  })

  it('tells what is in a layer without reading it again, and nothing where that is damaged', async () => {
    const tar = layerTar('a', 1)
    const layer = { diffId: digestOf(tar), chainId: digestOf(tar) }
    assert.equal(cache.contentsOf(layer).read(), null)
    ;(await use('first', [tar])).end()
    const paths = () =>
      cache
        .contentsOf(layer)
        .read()
        ?.map(({ path }) => path)
    assert.deepEqual(paths(), ['a', 'a/file'])
    const kept = join(cache.folder, 'layers', hexOf(digestOf(tar)), CONTENTS_FILE)
    writeFileSync(kept, readFileSync(kept, 'latin1').replace('a/file', 'a/fils'))
    assert.equal(paths(), undefined)
    const opened = await openTar(tar)
    cache.contentsOf(layer).keep(opened.entries)
    await opened.close()
    assert.deepEqual(paths(), ['a', 'a/file'])
  })

  it('has no layer that is taken away just when its use is noted', async (t) => {
    const tar = layerTar('a', 1)
    ;(await use('first', [tar])).end()
    const { utimesSync: noteTimes } = fs
    t.mock.method(fs, 'utimesSync', (...args: Parameters<typeof noteTimes>) => {
      rmSync(join(cache.folder, 'layers', hexOf(digestOf(tar))), { recursive: true })
      noteTimes(...args)
    })
    syncBuiltinESMExports()
    try {
      assert.equal(cache.has({ diffId: digestOf(tar), chainId: digestOf('other') }), false)
    } finally {
      t.mock.restoreAll()
      syncBuiltinESMExports()
    }
  })

  describe('a layer that is unpacked while it is read', () => {
    type Proven = Pick<IndexedLayer, 'entries' | 'notes'>
    const under = async (tar: Buffer, whole: (layer: OpenedLayer) => Promise<Proven>) => {
      const layer = await openTar(tar)
      const raw = new TarIndexer()
      raw.push(tar)
      async function* entries() {
        yield* raw.entries
      }
      const proven = whole(layer)
      proven.catch(() => {})
      return cache
        .add(
          { diffId: digestOf(tar), chainId: digestOf(tar) },
          (body) =>
            body({
              entries: entries(),
              readInto: (to, at) => layer.readInto(to, at),
              whole: proven,
            }),
          [],
          NEVER,
        )
        .finally(() => layer.close())
    }

    it('is there when it has proven to be the right one', async () => {
      const tar = layerTar('a', 1000)
      await under(tar, async (layer) => layer)
      assert.deepEqual(there(), hexes(tar))
      const content = readFileSync(join(cache.folder, 'layers', hexOf(digestOf(tar)), 'fs', 'a', 'file'))
      assert.equal(content.length, 1000)
    })

    it('is not there, nor anything of it, where it has not', async () => {
      const wrong = async () => await Promise.reject(new PreconditionError('LAYER_CORRUPT', 'another digest'))
      await assert.rejects(under(layerTar('a', 1), wrong), { code: 'LAYER_CORRUPT' })
      assert.deepEqual(readdirSync(cache.folder).sort(), ['layers', 'runs'])
      assert.deepEqual(there(), [])
    })

    it('is there without word of what it has where that is more than can be written', async () => {
      const tar = layerTar('a', 1)
      const layer = { diffId: digestOf(tar), chainId: digestOf(tar) }
      const tooLong = {
        get path(): string {
          throw new RangeError('Invalid string length')
        },
      }
      await under(tar, async ({ notes }) => ({ notes, entries: [tooLong as TarEntry] }))
      assert.deepEqual([there(), cache.contentsOf(layer).read()], [hexes(tar), null])
    })

    it('has of entries of one name the last alone, and what that means', async () => {
      const tar = tarOf([
        dir('a/', OWN),
        file('a/inner', 'of the folder', OWN),
        file('a', 'a file', OWN),
        file('b', 'first', OWN),
        link('c', 'b', OWN),
        file('b', 'second', OWN),
      ])
      await under(tar, async (layer) => layer)
      const files = join(cache.folder, 'layers', hexOf(digestOf(tar)), 'fs')
      const text = (name: string) => readFileSync(join(files, name), 'utf8')
      assert.deepEqual(readdirSync(files).sort(), ['a', 'b', 'c'])
      assert.deepEqual([text('a'), text('b'), text('c')], ['a file', 'second', 'first'])
    })
  })

  it('leaves nothing of a layer that fails', async () => {
    const bad = tarOf([file('n'.repeat(300), 'x', { ...OWN, format: 'gnu' })])
    await assert.rejects(use('first', [bad]), { code: 'LAYER_UNPACK_FAILED', exitCode: 3 })
    assert.deepEqual(there(), [])
    assert.deepEqual(readdirSync(cache.folder).sort(), ['layers', 'runs'])
  })

  it('refuses a folder that others may look into', () => {
    chmodSync(cache.folder, 0o755)
    assert.throws(() => LayerCache.open(folder, SILENT_LOG), { code: 'CACHE_UNUSABLE', exitCode: 3 })
  })

  it('loses all that no run uses, when that is asked for', async () => {
    const [used, unused] = [layerTar('a', 1), layerTar('b', 1)]
    ;(await use('gone', [unused])).end()
    const living = await use('living', [used])
    assert.deepEqual((await clean({})).failures, [])
    assert.deepEqual(there(), hexes(used))
    living.end()
    await clean({})
    assert.deepEqual(there(), [])
    assert.deepEqual(readdirSync(cache.folder).sort(), ['layers', 'runs'])
  })

  it('loses the longest unused until the others have no more bytes than that', async () => {
    const tars = ['a', 'b', 'c'].map((name) => layerTar(name, 1000))
    for (const [index, tar] of tars.entries()) {
      ;(await use('run', [tar])).end()
      const facts = join(cache.folder, 'layers', hexOf(digestOf(tar)), 'layer.json')
      utimesSync(facts, 1_000_000 + index, 1_000_000 + index)
    }
    await clean({ sizeBytesMax: 2000 })
    assert.deepEqual(there(), hexes(tars[1] as Buffer, tars[2] as Buffer))
  })

  it('loses what was deleted in part, whatever the limits, but for what a run uses', async () => {
    for (const limits of [{}, { sizeBytesMax: 1e9 }, { ageSecondsMax: 3600 }]) {
      const [part, whole, used] = [layerTar('a', 1), layerTar('b', 1), layerTar('c', 1)]
      ;(await use('gone', [part, whole])).end()
      const living = await use('living', [used])
      for (const tar of [part, used]) rmSync(join(cache.folder, 'layers', hexOf(digestOf(tar)), 'layer.json'))
      assert.deepEqual((await clean(limits)).failures, [])
      assert.deepEqual(there(), Object.keys(limits).length === 0 ? hexes(used) : hexes(whole, used))
      living.end()
    }
  })

  it('loses what was not used for longer', async () => {
    const [old, recent] = [layerTar('a', 1), layerTar('b', 1)]
    for (const tar of [old, recent]) (await use('run', [tar])).end()
    const facts = join(cache.folder, 'layers', hexOf(digestOf(old)), 'layer.json')
    const hourAgo = Date.now() / 1000 - 3600
    utimesSync(facts, hourAgo, hourAgo)
    await clean({ ageSecondsMax: 1800 })
    assert.deepEqual(there(), hexes(recent))
  })

  it('loses what a process that was killed has left, and keeps its layers', async () => {
    const tar = layerTar('a', 1)
    await use('dead', [tar])
    const { stdout } = spawnSync(process.execPath, [
      '--input-type=module',
      '-e',
      `const { claim } = await import('${CLAIM}')
       await claim('${join(cache.folder, 'claim')}', new AbortController().signal)
       const { formatIdentity, ownIdentity } = await import('${IDENTITY}')
       process.stdout.write(formatIdentity(ownIdentity()))
       process.on('exit', () => process.kill(process.pid, 'SIGKILL'))`,
    ])
    writeFileSync(join(cache.folder, 'runs', 'dead', 'process'), stdout)
    const { removed, failures } = await clean(null)
    assert.deepEqual(failures, [])
    assert.equal(removed.length, 2, String(removed))
    assert.equal(existsSync(join(cache.folder, 'runs', 'dead')), false)
    assert.deepEqual(there(), hexes(tar))
  })

  it('lets one at a time do what only one may, and takes over from the dead', async () => {
    const path = join(folder, 'claimed')
    const release = await claim(path, NEVER)
    const order: string[] = []
    const second = claim(path, NEVER).then((end) => {
      order.push('second')
      end()
    })
    await new Promise((resolve) => setImmediate(resolve))
    order.push('first')
    release()
    await second
    assert.deepEqual(order, ['first', 'second'])
    // Its file alone claims nothing.
    writeFileSync(path, '')
    ;(await claim(path, NEVER))()
    assert.equal(existsSync(path), false)
  })
})

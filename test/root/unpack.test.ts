/** Layers unpacked by our own program, as a root without containerd has them. */
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { mount } from '../../native/mounts.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { LayerUnderWay } from '../../optimizer/tar/layer-under-way.ts'
import { LayerCache } from '../../optimizer/unpack/layer-cache.ts'
import { type UnpackedLayer, unpackLayer } from '../../optimizer/unpack/unpack-layer.ts'
import { chainIds } from '../../optimizer/workload/chain-ids.ts'
import { unmountBelow } from '../../optimizer/workload/rootfs.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { dir, file, link, symlink, type TarItem, tarOf } from '../helpers/tar-language.ts'
import { beginTar, openTar } from '../helpers/tar-layer.ts'
import { readTree, type TreeEntry } from '../helpers/tree.ts'
import { treeByContainerd } from '../helpers/unpackers.ts'

const NEVER = new AbortController().signal
const SINCE = new Date(Date.now() - 1000)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'unpack-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Overlay of an image's layers, each from the cache. */
async function treeOfOverlay(tars: readonly Buffer[]): Promise<ReturnType<typeof readTree>> {
  const diffIds = tars.map((tar) => digestOf(tar))
  const chain = chainIds(diffIds)
  const layers = diffIds.map((diffId, index) => ({ diffId, chainId: chain[index] as typeof diffId }))
  const use = LayerCache.open(folder, SILENT_LOG).newUse('test')
  const supply = {
    use: async <T>(index: number, body: (layer: LayerUnderWay) => Promise<T>) => {
      const layer = beginTar(tars[index] as Buffer)
      try {
        return await body(layer)
      } finally {
        await (await layer.whole).close()
      }
    },
    skip: () => {},
  }
  const { lowers } = await use.lowers(layers, supply, NEVER)
  const { upper, work } = use.makeUpper(lowers)
  const target = join(folder, 'mounted')
  mkdirSync(target)
  const options = ['index=off', `upperdir=${upper}`, `workdir=${work}`, `lowerdir=${lowers.join(':')}`]
  mount({ type: 'overlay', source: 'overlay', target, options })
  try {
    return readTree(target, SINCE)
  } finally {
    unmountBelow(target)
    use.end()
  }
}

describe('an image unpacked without containerd', {
  skip: skipWithoutContainerd() || skipWithoutFanotify(),
}, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
  })
  after(() => bench?.close())

  it('is the file system that containerd unpacks, with everything that a layer may hold', async () => {
    const layers = oddLayers({ containerdOnly: true })
    await bench.withStores((stores) => putRawImage(stores, 'odd', layers))
    const tars = layers.map(({ tar }) => tar)
    const theirs = treeByContainerd(bench, 'odd')
    // Where containerd has the time of unpacking, or none before 1970, ours is that of the tar.
    const untold = new Set(
      theirs.filter(({ mtime }) => ['unpacking', '0'].includes(mtime)).map(({ path }) => path),
    )
    const comparable = (tree: readonly TreeEntry[]) =>
      tree.map((entry) => (untold.has(entry.path) ? { ...entry, mtime: '' } : entry))
    assert.deepEqual(comparable(await treeOfOverlay(tars)), comparable(theirs))
  })
})

describe('the cache of unpacked layers', { skip: skipWithoutFanotify() }, () => {
  it('is refused on an overlay, which cannot hold the writable layer of another', () => {
    const [lowerdir, upperdir, workdir, target] = ['lower', 'upper', 'work', 'root'].map((name) => {
      mkdirSync(join(folder, name))
      return join(folder, name)
    }) as [string, string, string, string]
    const options = [`lowerdir=${lowerdir}`, `upperdir=${upperdir}`, `workdir=${workdir}`]
    mount({ type: 'overlay', source: 'overlay', target, options })
    try {
      const cache = LayerCache.open(target, SILENT_LOG)
      assert.throws(() => cache.newUse('run'), {
        code: 'CACHE_UNUSABLE',
        exitCode: 3,
        message: /--cache-dir/,
      })
    } finally {
      unmountBelow(target)
    }
  })
})

describe('a folder that a layer does not name', { skip: skipWithoutFanotify() }, () => {
  it('is as the layer below has it, unless one between has taken it away', async () => {
    const below = tarOf([dir('kept/', { mode: 0o700 }), dir('gone/', { mode: 0o700 })])
    const between = tarOf([file('gone', 'in its place')])
    // A layer that comes twice is mounted once.
    const layers = [below, below, between, tarOf([file('kept/a', ''), file('gone/a', '')])]
    const tree = await treeOfOverlay(layers)
    const modeOf = (name: string) => Number(tree.find(({ path }) => path === name)?.mode)
    assert.deepEqual([modeOf('kept'), modeOf('gone')], [0o700, 0o755])
  })
})

describe('a layer unpacked', { skip: skipWithoutFanotify() }, () => {
  let root: string
  beforeEach(() => {
    root = join(folder, 'root')
    mkdirSync(root)
    mkdirSync(join(folder, 'outside'))
    writeFileSync(join(folder, 'outside', 'file'), 'outside')
  })

  async function unpack(items: TarItem[]): Promise<UnpackedLayer> {
    const layer = await openTar(tarOf(items))
    try {
      return await unpackLayer(layer, root, () => undefined, NEVER)
    } finally {
      await layer.close()
    }
  }
  /** Paths below the root, and what of the outside is as it was. */
  const made = () => readdirSync(root, { recursive: true }).map(String).sort()
  function assertOutsideUntouched(): void {
    assert.deepEqual(readdirSync(folder).sort(), ['outside', 'root'])
    assert.deepEqual(readdirSync(join(folder, 'outside')), ['file'])
    const { mode, uid, nlink, size } = lstatSync(join(folder, 'outside', 'file'))
    assert.deepEqual([mode & 0o7777, uid, nlink, size], [0o644, 0, 1, 'outside'.length])
    for (const path of ['/escaped', '/etc/escaped']) assert.equal(existsSync(path), false)
  }

  it('keeps names that climb, and absolute ones, inside', async () => {
    await unpack([file('../outside/a', 'x'), file('/etc/escaped', 'x'), file('a/../../../escaped', 'x')])
    assert.deepEqual(made(), ['escaped', 'etc', 'etc/escaped', 'outside', 'outside/a'])
    assertOutsideUntouched()
  })

  it('follows links inside the root alone, wherever they point', async () => {
    await unpack([
      symlink('up', '../outside'),
      file('up/new', 'x'),
      symlink('absolute', join(folder, 'outside')),
      file('absolute/file', 'overwritten'),
      symlink('link', '../outside/file'),
      file('link', 'in its place'),
    ])
    assertOutsideUntouched()
    assert.equal(lstatSync(join(root, 'link')).isFile(), true)
  })

  it('makes no hard link to what is outside', async () => {
    await assert.rejects(unpack([link('a', '../outside/file')]), { code: 'ENTRY_FAILED' })
    await assert.rejects(unpack([symlink('s', '../outside'), link('b', 's/file')]), { code: 'ENTRY_FAILED' })
    assertOutsideUntouched()
  })

  it('changes nothing outside by whiteouts', async () => {
    await unpack([symlink('s', '../outside'), file('s/.wh.file', ''), file('.wh...', ''), file('.wh..', '')])
    assertOutsideUntouched()
  })

  it('does not let an image say what overlayfs notes for itself', async () => {
    const xattrs = { 'trusted.overlay.redirect': '/elsewhere', 'user.kept': 'yes' }
    await unpack([dir('d/', { format: 'pax', xattrs })])
    const [entry] = readTree(root, SINCE).filter(({ path }) => path === 'd')
    assert.deepEqual(
      Object.keys(entry ?? {}).filter((name) => name.startsWith('xattr')),
      ['xattr user.kept'],
    )
  })

  it('refuses a name that no file can have, and says which', async () => {
    const long = 'n'.repeat(300)
    await assert.rejects(unpack([file(long, 'x', { format: 'gnu' })]), {
      code: 'ENTRY_FAILED',
      message: new RegExp(long),
    })
  })

  it('tells the folders that it has something in and does not name', async () => {
    assert.deepEqual((await unpack([dir('a/'), file('a/b', ''), file('c/d/e', '')])).implicit, ['c', 'c/d'])
  })
})

/** Layers that are read while others are used: which ones, how many, and what becomes of those that nobody takes. */
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { EarlyLayers, type EarlyReading } from '../../optimizer/early-layers.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { withComingLayers, withOpenLayers } from '../../optimizer/open-layers.ts'
import { Stages } from '../../optimizer/stages.ts'
import type { ResolvedImage } from '../../optimizer/store/resolve.ts'
import type { ReadOptions } from '../../optimizer/store/store.ts'
import type { OpenedLayer } from '../../optimizer/tar/layer.ts'
import { SpoolSpace } from '../../optimizer/tar/spool-space.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const SIZES = [3000, 9000, 6000, 1000]
const TARS = SIZES.map((size, index) => tarOf([file(`file-${index}`, 'x'.repeat(size))]))
const NEVER = new AbortController().signal

/** Tells what is asked of it, and gives it when it may. */
class WatchedStore extends MemoryContentStore {
  readonly asked: number[] = []
  /** Until when, in the same order. */
  readonly wanted: AbortSignal[] = []
  #held = new Map<number, Promise<void>>()

  /** @returns gives it */
  hold(index: number): () => void {
    let give = () => {}
    this.#held.set(index, new Promise((resolve) => (give = resolve)))
    return give
  }

  override async *read(digest: Digest, options: ReadOptions = {}): AsyncIterable<Buffer> {
    const index = TARS.findIndex((tar) => digestOf(tar) === digest)
    if (options.lengthBytes === undefined) {
      this.asked.push(index)
      this.wanted.push(options.signal ?? assert.fail('nobody says how long it is wanted'))
      await this.#held.get(index)
    }
    yield* super.read(digest, options)
  }
}

function requestOf(
  content: MemoryContentStore,
  space = new SpoolSpace({ folder: tmpdir() }),
  tars: readonly Buffer[] = TARS,
) {
  for (const tar of tars) content.add(tar)
  const layers = tars.map((tar) => ({ mediaType: 'x', digest: digestOf(tar), size: tar.length }))
  const image = {
    name: 'image',
    platform: hostPlatform(),
    manifest: { layers },
    config: { rootfs: { diff_ids: tars.map((tar) => digestOf(tar)) } },
  } as unknown as ResolvedImage
  return { content, image, signal: NEVER, stages: new Stages(SILENT_LOG), space }
}

const KEEPING: EarlyReading = { keeps: true, atOnce: 2, readsAll: false }
const settled = () => new Promise((resolve) => setImmediate(resolve))
const pathsOf = (layers: readonly { entries: readonly { path: string }[] }[]) =>
  layers.map(({ entries }) => entries[0]?.path)

describe('layers read early', () => {
  const content = () => new WatchedStore()

  it('are those that are to be used, in their order, so many at a time', async () => {
    const store = content()
    const early = new EarlyLayers(requestOf(store), KEEPING)
    const give = [0, 1, 3].map((index) => store.hold(index))
    early.expect([0, 1, 3])
    await settled()
    assert.deepEqual(store.asked, [0, 1])
    give[0]?.()
    await early.use(0, async ({ whole }) => await whole)
    await settled()
    assert.deepEqual(store.asked, [0, 1, 3])
    for (const each of give) each()
    const all = await early.takeAll()
    assert.deepEqual(store.asked, [0, 1, 3, 2], 'each once')
    assert.deepEqual(pathsOf(all), ['file-0', 'file-1', 'file-2', 'file-3'])
    for (const layer of all) await layer.close()
    await early.close()
  })

  it('are all of them where reading takes long', async () => {
    const store = content()
    const early = new EarlyLayers(requestOf(store), { ...KEEPING, readsAll: true })
    early.expect([2])
    for (const layer of await early.takeAll()) await layer.close()
    assert.deepEqual([store.asked[0], [...store.asked].sort()], [2, [0, 1, 2, 3]])
    await early.close()
  })

  it('are no more than the one in use and the next where their bytes do not stay', async () => {
    const store = content()
    const early = new EarlyLayers(requestOf(store), { ...KEEPING, keeps: false })
    early.expect([0, 1, 2, 3])
    await early.use(0, async ({ whole }) => {
      await whole
      await settled()
      assert.deepEqual(store.asked, [0, 1])
    })
    assert.deepEqual(early.contentsOf(0)?.[0]?.path, 'file-0')
    await early.use(1, async ({ whole }) => void (await whole))
    assert.deepEqual(store.asked.slice(0, 3), [0, 1, 2])
    await early.close()
  })

  it('are given up one by one where they are not used after all: their source is told so, of the same layer in another place not', async () => {
    const store = content()
    const twice = [TARS[0], TARS[0], TARS[2]] as Buffer[]
    const early = new EarlyLayers(requestOf(store, undefined, twice), { ...KEEPING, keeps: false })
    const give = store.hold(0)
    early.expect([0, 1, 2])
    await settled()
    early.skip(1)
    await settled()
    assert.deepEqual(
      store.wanted.map(({ aborted }) => aborted),
      [false, true, false],
    )
    // The one that waited has its place.
    assert.deepEqual(store.asked, [0, 0, 2])
    give()
    await early.use(0, async ({ whole }) => void (await whole))
    assert.equal(early.indexed(0)?.entries[0]?.path, 'file-0')
    await early.close()
  })

  it('end with the first that fails, which is told', async () => {
    const store = content()
    const request = requestOf(store)
    store.blobs.set(digestOf(TARS[1] as Buffer), { bytes: TARS[0] as Buffer, labels: {} })
    const early = new EarlyLayers(request, KEEPING)
    await assert.rejects(early.takeAll(), { code: 'LAYER_CORRUPT' })
    await early.close()
  })

  for (const keeps of [true, false])
    it(`end at once when nobody wants them, whether kept (${keeps}) or not, from a source that has stalled, too`, async () => {
      const store = content()
      const early = new EarlyLayers(requestOf(store), { ...KEEPING, keeps })
      for (const index of [0, 1]) store.hold(index)
      early.expect([0, 1])
      await settled()
      assert.deepEqual(store.asked, [0, 1])
      await early.close()
    })

  it('end at once when the run is to end', async () => {
    const store = content()
    const ending = new AbortController()
    const early = new EarlyLayers({ ...requestOf(store), signal: ending.signal }, KEEPING)
    store.hold(0)
    setImmediate(() => ending.abort(new Error('the end')))
    await assert.rejects(early.takeAll(), /the end/)
    await early.close()
  })

  it('tell what was known of a layer that is not read, and keep what becomes known', () => {
    const early = new EarlyLayers(requestOf(content()), KEEPING)
    assert.equal(early.contentsOf(0), null)
    const kept: unknown[] = []
    early.learn(0, { read: () => [], keep: (entries) => void kept.push(entries) })
    assert.deepEqual(early.contentsOf(0), [])
    early.keepContents(0, [])
    early.keepContents(1, [])
    assert.deepEqual(kept, [[]])
  })
})

describe('layers that come while they are used', () => {
  const inTurn = async (space: SpoolSpace, body: (layers: OpenedLayer[]) => Promise<void>) => {
    const store = new WatchedStore()
    await withComingLayers(requestOf(store, space), body)
    return store.asked
  }
  const large = 2 * SIZES.reduce((sum, size) => sum + size)

  it('are each there when their turn comes, and read once', async () => {
    const asked = await inTurn(new SpoolSpace({ folder: tmpdir(), diskBytesMax: large }), async (layers) => {
      for (const layer of layers) {
        assert.throws(() => layer.entries, /not made ready/)
        await layer.ready?.()
        assert.equal((await layer.read(0, 6)).toString(), pathsOf([layer])[0])
        await layer.close()
      }
    })
    assert.deepEqual(asked.sort(), [0, 1, 2, 3])
  })

  it('are one at a time, and still read once, where the disk that is allowed holds no more', async () => {
    const space = new SpoolSpace({ folder: tmpdir(), diskBytesMax: 11_000, memoryBytesMax: 0 })
    const asked = await inTurn(space, async ([first, second]) => {
      await first?.ready?.()
      let isReady = false
      const ready = second?.ready?.().then(() => {
        isReady = true
      })
      await settled()
      assert.equal(isReady, false)
      await first?.close()
      await ready
      await second?.close()
    })
    assert.deepEqual(asked, [0, 1])
  })

  it('are not waited for where whoever has the turn has failed', async () => {
    const space = new SpoolSpace({ folder: tmpdir(), diskBytesMax: 11_000, memoryBytesMax: 0 })
    await inTurn(space, async ([first, second]) => {
      const failing = new AbortController()
      await first?.ready?.(failing.signal)
      const waiting = second?.ready?.(failing.signal) ?? Promise.resolve()
      failing.abort(new Error('no room'))
      await assert.rejects(waiting, /no room/)
    })
  })

  it('are all there together where somebody has to see them so', async () => {
    const store = new WatchedStore()
    await withOpenLayers(requestOf(store), async (layers) => {
      assert.deepEqual(pathsOf(layers), ['file-0', 'file-1', 'file-2', 'file-3'])
    })
    assert.deepEqual(store.asked.slice(0, 1), [1], 'the largest first')
  })
})

/** A layer that is used while its bytes still come. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { beginLayer } from '../../optimizer/tar/layer-under-way.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'
import { spoolPath } from '../helpers/tar-layer.ts'

const FIRST = 'x'.repeat(300_000)
const TAR = tarOf([dir('a/'), file('a/first', FIRST), file('a/last', 'y'.repeat(400_000))])

/** Pieces, of which the second half comes when `go` is called. */
function halting(bytes: Buffer): { pieces: AsyncGenerator<Buffer>; go: () => void } {
  let go = () => {}
  const told = new Promise<void>((resolve) => {
    go = resolve
  })
  const middle = bytes.length >> 1
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += 16 * 1024) {
      if (at >= middle) await told
      yield bytes.subarray(at, at + 16 * 1024)
    }
  })()
  return { pieces, go }
}

const begin = (blob: AsyncIterable<Buffer>, bytes = TAR, signal?: AbortSignal) =>
  beginLayer({
    blob,
    descriptor: { mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(bytes), size: bytes.length },
    diffId: digestOf(TAR),
    spoolPath: spoolPath(),
    ...(signal === undefined ? {} : { signal }),
  })

describe('a layer that is being read', () => {
  it('has its first entries, and their content, before its last bytes are there', async () => {
    const { pieces, go } = halting(TAR)
    const layer = begin(pieces)
    const entries = layer.entries[Symbol.asyncIterator]()
    const paths: string[] = []
    for (let index = 0; index < 2; index++) {
      const { value } = await entries.next()
      paths.push(value.path)
      const content = Buffer.alloc(value.payloadBytes)
      await layer.readInto(content, value.payloadOffset)
      if (value.path === 'a/first') assert.equal(content.toString(), FIRST)
    }
    assert.deepEqual(paths, ['a', 'a/first'])
    go()
    const { value: last } = await entries.next()
    const content = Buffer.alloc(last.payloadBytes)
    await layer.readInto(content, last.payloadOffset)
    assert.equal(content.toString(), 'y'.repeat(400_000))
    assert.equal((await entries.next()).done, true)
    const whole = await layer.whole
    assert.deepEqual(
      whole.entries.map(({ path }) => path),
      ['a', 'a/first', 'a/last'],
    )
    await whole.close()
  })

  it('fails for everybody who waits with what is wrong', async () => {
    const { pieces, go } = halting(gzipSync(TAR, { level: 0 }).fill(1, 500_000))
    const layer = begin(pieces, gzipSync(TAR, { level: 0 }))
    const corrupt = { code: 'LAYER_CORRUPT' }
    const failures = [
      assert.rejects(layer.readInto(Buffer.alloc(10), TAR.length - 10), corrupt),
      assert.rejects(async () => {
        for await (const _ of layer.entries);
      }, corrupt),
      assert.rejects(layer.whole, corrupt),
    ]
    go()
    await Promise.all(failures)
  })

  it('ends where nobody wants it any more', async () => {
    const ending = new AbortController()
    const { pieces, go } = halting(TAR)
    const layer = begin(pieces, TAR, ending.signal)
    ending.abort(new Error('no more'))
    go()
    await assert.rejects(layer.whole, /no more/)
  })
})

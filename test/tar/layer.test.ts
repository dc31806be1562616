import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type LayerCheck, LayerCorruptError } from '../../optimizer/tar/errors.ts'
import { indexLayer, type LayerSource, type OpenedLayer, openLayer } from '../../optimizer/tar/layer.ts'
import { CodedError, EXIT } from '../../shared/errors.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { inPieces } from '../helpers/tar-layer.ts'
import { skippable, zstdFrame, zstdStream } from '../helpers/zstd.ts'

const TAR = tarOf([file('a', 'content of a'), file('b', 'x'.repeat(5000))])
const BLOB = gzipSync(TAR)

describe('Opening a layer', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  function source(blob: Buffer, changes: Partial<LayerSource> & { claimed?: Buffer } = {}): LayerSource {
    const { claimed = blob, ...rest } = changes
    const descriptor = { mediaType: 'x', digest: digestOf(claimed), size: claimed.length }
    return {
      blob: inPieces(blob, 100),
      descriptor,
      diffId: digestOf(TAR),
      spoolPath: join(folder, 'spool'),
      ...rest,
    }
  }

  async function opened(layer: LayerSource, check: (layer: OpenedLayer) => Promise<void>): Promise<void> {
    const open = await openLayer(layer)
    try {
      await check(open)
    } finally {
      await open.close()
    }
    assert.deepEqual(readdirSync(folder), [])
  }

  async function corrupt(layer: LayerSource, check: LayerCheck, pattern: RegExp): Promise<void> {
    await assert.rejects(
      () => openLayer(layer),
      (error) => {
        assert.ok(error instanceof LayerCorruptError, String(error))
        assert.deepEqual(
          [error.code, error.exitCode, error.check],
          ['LAYER_CORRUPT', EXIT.precondition, check],
        )
        assert.ok(error.message.includes(layer.descriptor.digest))
        assert.match(error.message, pattern)
        return true
      },
    )
    assert.deepEqual(readdirSync(folder), [])
  }

  for (const [form, blob] of [
    ['tar', TAR],
    ['gzip', BLOB],
    ['many gzip members', Buffer.concat([gzipSync(TAR.subarray(0, 700)), gzipSync(TAR.subarray(700))])],
    ['gzip padded with zeros', Buffer.concat([BLOB, Buffer.alloc(600)])],
    ['zstd', zstdFrame(TAR)],
    [
      'many zstd frames',
      Buffer.concat([zstdFrame(TAR.subarray(0, 700)), skippable('x'), zstdStream(TAR.subarray(700))]),
    ],
  ] as const) {
    it('gives the same index without keeping a byte, and refuses the same bytes', async () => {
      const { spoolPath: _, ...blob } = source(BLOB)
      const indexed = await indexLayer(blob)
      assert.deepEqual(readdirSync(folder), [])
      await opened(source(BLOB), async ({ entries, uncompressedBytes }) => {
        assert.deepEqual(indexed.entries, entries)
        assert.equal(indexed.uncompressedBytes, uncompressedBytes)
      })
      const { spoolPath: __, ...wrong } = source(BLOB, { diffId: digestOf('another') })
      await assert.rejects(indexLayer(wrong), LayerCorruptError)
    })

    it(`gives entries and any bytes of a layer in ${form}`, () =>
      opened(source(blob), async (layer) => {
        assert.deepEqual(
          layer.entries.map(({ path }) => path),
          ['a', 'b'],
        )
        assert.equal(layer.uncompressedBytes, TAR.length)
        assert.deepEqual(await layer.read(500, 1000), TAR.subarray(500, 1500))
        const all = new Uint8Array(TAR.length)
        await layer.readInto(all, 0)
        assert.deepEqual(Buffer.from(all), TAR)
      }))
  }

  it('keeps the uncompressed bytes in a file that has no name any more', () =>
    opened(source(BLOB), async () => assert.deepEqual(readdirSync(folder), [])))

  it('closes as often as one likes', () => opened(source(BLOB), (layer) => layer.close()))

  it('refuses a blob with another digest', () =>
    corrupt(source(swapped(TAR), { claimed: TAR }), 'digest', /the bytes have sha256:/))
  it('refuses a blob that is too short', () =>
    corrupt(source(TAR.subarray(0, 900), { claimed: TAR }), 'size', /only 900 of the/))
  it('refuses a blob that is too long', () =>
    corrupt(source(Buffer.concat([TAR, TAR]), { claimed: TAR }), 'size', /more than the/))
  it('refuses a broken gzip stream with the right digest', () =>
    corrupt(source(BLOB.subarray(0, 80)), 'gzip', /ends inside a member/))
  it('refuses a broken tar with the right digest', () =>
    corrupt(source(TAR.subarray(0, 520)), 'tar', /ends inside an entry/))
  it('refuses another tar than the config names', () =>
    corrupt(source(tarOf([file('c')])), 'diff ID', /the image config says sha256:/))

  it('tells a wrong digest rather than what follows from it', async () => {
    const broken = Buffer.from(BLOB)
    broken.fill(0xff, 30, 50)
    await corrupt(source(broken, { claimed: BLOB }), 'digest', /the bytes have/)
    await corrupt(source(BLOB.subarray(0, 60), { claimed: BLOB }), 'size', /only 60 of the/)
  })

  it('refuses a broken zstd stream with the right digest', async () => {
    await corrupt(source(zstdFrame(TAR).subarray(0, 80)), 'zstd', /ends inside a frame/)
    const trailed = Buffer.concat([zstdFrame(TAR), Buffer.from('something else')])
    await corrupt(source(trailed), 'zstd', /./)
  })

  it('refuses zstd that needs too much memory', async () => {
    await assert.rejects(
      () => openLayer(source(Buffer.from('28b52ffd0098010000', 'hex'))),
      (error) =>
        error instanceof CodedError &&
        error.code === 'LAYER_UNSUPPORTED' &&
        error.exitCode === EXIT.precondition &&
        /zstd frames need a window/.test(error.message),
    )
    assert.deepEqual(readdirSync(folder), [])
  })

  it('ends when its signal says so', async () => {
    const aborted = AbortSignal.abort(new Error('stop'))
    await assert.rejects(() => openLayer(source(BLOB, { signal: aborted })), /stop/)
    assert.deepEqual(readdirSync(folder), [])
  })

  for (const [form, blob] of [
    ['tar', TAR],
    ['gzip', BLOB],
    ['zstd', zstdFrame(TAR)],
  ] as const)
    for (const heldBytes of [0, 60])
      it(`waits for no source that has stalled after ${heldBytes} bytes of ${form} when its signal says so`, async () => {
        const stop = new AbortController()
        async function* stalled(): AsyncGenerator<Buffer> {
          if (heldBytes > 0) yield blob.subarray(0, heldBytes)
          setImmediate(() => stop.abort(new Error('stop')))
          await new Promise(() => {})
        }
        const layer = source(blob, { blob: stalled(), signal: stop.signal })
        await assert.rejects(() => openLayer(layer), /stop/)
        assert.deepEqual(readdirSync(folder), [])
      })

  it('tells its source when it does not read on', async () => {
    let closed = false
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(1000, 'x')
      } finally {
        closed = true
      }
    }
    await corrupt(source(TAR, { blob: endless() }), 'size', /more than/)
    assert.ok(closed)
  })

  it('says where it could not write', async () => {
    const missing = join(folder, 'no', 'such', 'folder')
    await assert.rejects(
      () => openLayer(source(BLOB, { spoolPath: missing })),
      (error) =>
        error instanceof CodedError && error.code === 'SPOOL_FAILED' && error.message.includes(missing),
    )
    assert.ok(!existsSync(missing))
  })
})

/** The same length, one bit different, in content: it still is a sound tar. */
function swapped(tar: Buffer): Buffer {
  const copy = Buffer.from(tar)
  copy[513] = (copy[513] as number) ^ 1
  return copy
}

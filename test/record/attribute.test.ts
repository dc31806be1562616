import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { Manifest } from '../../optimizer/image/manifest.ts'
import { attribute } from '../../optimizer/record/attribute.ts'
import { LayerIndex } from '../../optimizer/record/layer-index.ts'
import { prioritizedFiles } from '../../optimizer/record/prioritized-files.ts'
import { pathsByLayer } from '../../optimizer/record/wanted-files.ts'
import { type Access, KIND, PHASE } from '../../shared/messages.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const MOUNT_POINT = '/run/hotlayer/hotlayer-0123/rootfs'
const NON_UTF8 = Buffer.from('caf\xe9', 'latin1')
const LAYERS = [
  ['a', 'b', 'c'],
  ['b', 'd', NON_UTF8],
]
const MANIFEST: Manifest = {
  schemaVersion: 2,
  config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf('config'), size: 0 },
  layers: LAYERS.map((_, index) => ({
    mediaType: MEDIA_TYPE.ociLayerGzip,
    digest: digestOf(`layer ${index}`),
    size: 0,
  })),
}

const source = {
  index: new LayerIndex(LAYERS.map((names) => indexTar(tarOf(names.map((name) => file(name, 'x')))).entries)),
  manifestDigest: digestOf('manifest'),
  manifest: MANIFEST,
  mountPoint: MOUNT_POINT,
}

function access(path: string | Buffer, fields: Partial<Access> = {}): Access {
  return {
    path: Buffer.from(path as string),
    kinds: KIND.open,
    pid: 7,
    elapsedMicroseconds: 10,
    phase: PHASE.run,
    sizeBytes: 1,
    command: Buffer.from('sh'),
    ...fields,
  }
}

const attributed = (...accesses: Access[]) => attribute(accesses, source)
const placed = (...accesses: Access[]) =>
  attributed(...accesses).entries.map(({ layerIndex, path }) => [layerIndex, path.toString('latin1')])

describe('an access becomes an entry of the record', () => {
  it('with all that is known of it', () => {
    const { entries, outsideLayers } = attributed(access('/d', { kinds: KIND.open | KIND.exec }))
    assert.deepEqual(outsideLayers, [])
    assert.deepEqual(entries, [
      {
        path: Buffer.from('d'),
        manifestDigest: source.manifestDigest,
        layerIndex: 1,
        layerDigest: MANIFEST.layers[1]?.digest,
        phase: 'run',
        kinds: ['open', 'exec'],
        firstAccessMicroseconds: 10,
        sizeBytes: 1,
        pid: 7,
        command: Buffer.from('sh'),
      },
    ])
  })

  it('of the uppermost layer that has the file, in the order of the accesses', () => {
    assert.deepEqual(placed(access('/d'), access('/b'), access('/a'), access('/c')), [
      [1, 'd'],
      [1, 'b'],
      [0, 'a'],
      [0, 'c'],
    ])
  })

  it('once, at its first access, with the kinds of all', () => {
    const again = access('/a', { kinds: KIND.exec, elapsedMicroseconds: 99, pid: 8 })
    const { entries } = attributed(access('/a'), access('/b'), again)
    assert.equal(entries.length, 2)
    assert.deepEqual(entries[0]?.kinds, ['open', 'exec'])
    assert.deepEqual([entries[0]?.firstAccessMicroseconds, entries[0]?.pid], [10, 7])
  })

  it('once in each phase', () => {
    const { entries } = attributed(access('/a', { phase: PHASE.create }), access('/a'))
    assert.deepEqual(
      entries.map(({ phase }) => phase),
      ['create', 'run'],
    )
  })

  it('also when its path is that on the host, before the runtime has entered the root', () => {
    assert.deepEqual(placed(access(`${MOUNT_POINT}/a`)), [[0, 'a']])
    assert.deepEqual(placed(access(`${MOUNT_POINT}x/a`), access(MOUNT_POINT)), [])
  })

  it('byte by byte', () => {
    const { entries } = attributed(access(Buffer.concat([Buffer.from('/'), NON_UTF8])))
    assert.deepEqual(entries[0]?.path, NON_UTF8)
  })

  it('or is counted, each path once, when no layer has it', () => {
    const { entries, outsideLayers } = attributed(access('/made'), access('/a'), access('/made'))
    assert.equal(entries.length, 1)
    assert.deepEqual(outsideLayers, [Buffer.from('made')])
  })
})

describe('the files that go first', () => {
  const { entries } = attributed(
    access('/d', { phase: PHASE.create }),
    access('/a'),
    access('/d'),
    access('/c'),
    access(Buffer.concat([Buffer.from('/'), NON_UTF8])),
  )

  const layersOf = (...[entries, digest, count]: Parameters<typeof prioritizedFiles>) =>
    pathsByLayer(prioritizedFiles(entries, digest, count), count)

  it('are those of the record by position of their layer, each once, in its order', () => {
    assert.deepEqual(layersOf(entries, source.manifestDigest, 3), [
      ['a', 'c'],
      ['d', NON_UTF8.toString('latin1')],
      [],
    ])
    assert.deepEqual(
      prioritizedFiles(entries, source.manifestDigest, 3).map(({ path }) => path),
      ['d', 'a', 'c', NON_UTF8.toString('latin1')],
    )
  })

  it('are none when the record is of another manifest or names no layer', () => {
    assert.deepEqual(layersOf(entries, digestOf('another'), 2), [[], []])
    const nowhere = entries.map((entry) => ({ ...entry, layerIndex: null }))
    assert.deepEqual(layersOf(nowhere, source.manifestDigest, 2), [[], []])
  })

  it('are none of a layer that the manifest has not', () => {
    assert.deepEqual(layersOf(entries, source.manifestDigest, 1), [['a', 'c']])
  })
})

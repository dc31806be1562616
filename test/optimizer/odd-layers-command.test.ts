/** What tars may hold that containers rarely do, through `optimizer convert`: handled, counted, never the end of a run. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { sparseTar } from '../helpers/odd-layers.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { device, dir, file, link, paxHeader, raw, tarOf } from '../helpers/tar-language.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const ODD = tarOf([
  raw('V', 'label of a volume'),
  dir('v7/', { format: 'v7' }),
  file('v7/file', 'of 1979', { format: 'v7' }),
  link('v7/link', 'v7/file', { format: 'v7' }),
  raw('\0', 'v7/old-flag', 'also', { format: 'v7' }),
  paxHeader('g', [['comment', 'of the whole archive']]),
  raw('7', 'contiguous', 'c'.repeat(9000)),
  raw('Z', 'of a vendor', 'x'.repeat(3000)),
  device('null', 1, 3),
  file('twice', 'old'),
  file('twice', 'new'),
])
const LAYERS = [ODD, sparseTar('gnu'), sparseTar('pax')]

describe('optimizer convert of odd layers', () => {
  let folder: string
  /** Digests of its layers as eStargz. */
  let ofSource: string[] = []
  const path = (name: string) => join(folder, name)
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'odd-'))
    const layout = await OciLayout.openForWriting(path('layout'))
    await putPlatforms(layout, 'odd', [{ platform: hostPlatform(), layers: LAYERS }])
    await layout.close()
  })
  after(() => rmSync(folder, { recursive: true }))

  function convert(target: string, ...options: string[]) {
    return convertFrom('odd', target, ...options)
  }

  function convertFrom(source: string, target: string, ...options: string[]) {
    const args = ['convert', `oci:${path('layout')}:${source}`, `oci:${path('layout')}:${target}`, ...options]
    const env = { ...process.env, TMPDIR: folder }
    return spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', env })
  }

  for (const [format, decompress, ...options] of [
    ['eStargz', 'gzip'],
    ['zstd:chunked for containers/storage', 'zstd', '--zstdchunked', '--zstdchunked-dialect', 'containers'],
  ] as const) {
    const skip = skipWithoutCommands(decompress)
    it(`to ${format} is equal to its source, and the result counts what was changed`, { skip }, () => {
      const { status, stdout, stderr } = convert(decompress, '--json', '--verify', ...options)
      assert.equal(status, 0, stderr)
      const { layers }: ConversionResult = JSON.parse(stdout)
      if (decompress === 'gzip') ofSource = layers.map(({ target }) => target.digest)
      const changes = layers.map(({ notes }) =>
        Object.fromEntries(Object.entries(notes).filter(([, count]) => count > 0)),
      )
      assert.deepEqual(changes, [
        { unknownTypes: 2, globalHeaders: 1, contiguousEntries: 1, duplicateNames: 1 },
        { sparseEntries: 1 },
        { sparseEntries: 1 },
      ])
      const [odd, ...sparse] = layers.map(({ target }) =>
        execFileSync(decompress, ['-dc'], { input: blob(target.digest), maxBuffer: 2 ** 26 }),
      ) as [Buffer, ...Buffer[]]
      const listed = execFileSync('tar', ['-tv'], { input: odd, encoding: 'utf8' })
      assert.deepEqual(
        listed.split('\n').flatMap((line) => /^(.).*:\d\d (\S+)/.exec(line)?.slice(1, 3).join(' ') ?? []),
        [
          ...(decompress === 'gzip' ? ['- .no.prefetch.landmark'] : []),
          ...['d v7/', '- v7/file', 'h v7/link', '- v7/old-flag', '- contiguous', 'c null', '- twice'],
          ...(decompress === 'gzip' ? ['- stargz.index.json'] : []),
        ],
      )
      for (const [index, name] of ['sparse-gnu/holes', 'sparse-pax/holes'].entries())
        assert.equal(contentIn(sparse[index] as Buffer, name), contentIn(LAYERS[index + 1] as Buffer, name))
    })
  }

  const skip = skipWithoutCommands('zstd')
  it('makes of its own results what it makes of their source: nothing of a format stays', { skip }, () => {
    for (const source of ['gzip', 'zstd']) {
      const { status, stdout, stderr } = convertFrom(source, `from-${source}`, '--json')
      assert.equal(status, 0, stderr)
      const { layers }: ConversionResult = JSON.parse(stdout)
      assert.deepEqual(
        layers.map(({ target }) => target.digest),
        ofSource,
      )
    }
  })

  const blob = (digest: string) => readFileSync(blobPath(digest))
  const blobPath = (digest: string) => path(`layout/blobs/sha256/${digest.slice('sha256:'.length)}`)
  const contentIn = (tar: Buffer, name: string) =>
    digestOf(execFileSync('tar', ['-xO', name], { input: tar, maxBuffer: 2 ** 26 }))

  for (const mediaType of [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ]) {
    it(`refuses a foreign layer by name: ${mediaType}`, () => {
      const layer = setLayerType(1, mediaType)
      const { status, stderr } = convert('never')
      assert.equal(status, 3)
      assert.match(stderr, new RegExp(`layer 1 \\(${layer}\\).*${mediaType.replaceAll(/[.+]/g, '\\$&')}`))
      assert.match(stderr, /\[LAYER_FOREIGN\]/)
    })
  }

  /** @returns the layer's digest */
  function setLayerType(layer: number, mediaType: string): string {
    const index = JSON.parse(readFileSync(path('layout/index.json'), 'utf8'))
    const named = index.manifests[0]
    const image = JSON.parse(blob(named.digest).toString())
    const manifest = JSON.parse(blob(image.manifests[0].digest).toString())
    manifest.layers[layer].mediaType = mediaType
    Object.assign(image.manifests[0], written(manifest))
    Object.assign(named, written(image))
    writeFileSync(path('layout/index.json'), JSON.stringify(index))
    return manifest.layers[layer].digest
  }

  function written(document: object): { digest: string; size: number } {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    writeFileSync(blobPath(digest), bytes)
    return { digest, size: bytes.length }
  }
})

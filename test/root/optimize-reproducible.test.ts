/** The bytes of a result depend on the source and on what was read, on nothing else. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseRecord } from '../../shared/record.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { ODD_WORKLOAD, oddLayers } from '../helpers/odd-layers.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const SOURCE = 'source'
const MIB = 1024 * 1024
/** Small, so that there is much to do side by side. */
const CHUNKS = ['--estargz-chunk-size', '4096']

describe('a conversion', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  /** Of the workload as it is. */
  let first: { digest: string; reads: string[] }
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'reproducible-'))
    await bench.withStores((stores) =>
      putRawImage(stores, SOURCE, [...oddLayers(), { tar: largeLayer() }], {
        types: 'docker',
        indexed: true,
      }),
    )
  })
  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await bench?.close()
  })

  it('gives the same image with any number of workers', async () => {
    const digests = new Set<string>()
    for (const workers of ['1', '2', '3']) {
      const result = await bench.optimize(SOURCE, `workers-${workers}`, [
        '--no-optimize',
        '--workers',
        workers,
        ...CHUNKS,
      ])
      digests.add(result.target.digest)
    }
    assert.equal(digests.size, 1)
  })

  it('gives the same image of another run that read the same in the same order', async () => {
    first = await recorded('first', ['--workers', '1'])
    const second = await recorded('second', ['--workers', '2'])
    assert.deepEqual(second.reads, first.reads)
    assert.equal(second.digest, first.digest)
  })

  it('gives another image when the order was another', async () => {
    const [program, ...verbs] = ODD_WORKLOAD
    const reversed = [program as string]
    for (let at = verbs.length - 2; at >= 0; at -= 2) reversed.push(...verbs.slice(at, at + 2))
    const backwards = await recorded('backwards', [], reversed)
    assert.notEqual(backwards.digest, first.digest)
  })

  it('gives another image at another level', async () => {
    const [low, high] = await Promise.all(
      ['1', '6'].map((level) =>
        bench.optimize(SOURCE, `level-${level}`, ['--no-optimize', '--estargz-compression-level', level]),
      ),
    )
    assert.notEqual(high?.target.digest, low?.target.digest)
    assert.deepEqual(
      high?.layers.map(({ entries }) => entries),
      low?.layers.map(({ entries }) => entries),
    )
  })

  async function recorded(target: string, options: string[], workload = ODD_WORKLOAD) {
    const file = join(folder, `${target}.jsonl`)
    const entrypoint = ['--entrypoint', JSON.stringify(workload), '--record-out', file]
    const result = await bench.optimize(SOURCE, target, [...entrypoint, ...CHUNKS, ...options])
    const reads = parseRecord(readFileSync(file, 'utf8')).entries.map(
      ({ path, layerIndex, phase }) => `${phase} ${layerIndex} ${path.toString('latin1')}`,
    )
    return { digest: result.target.digest, reads }
  }
})

/** Enough for several threads to be at work at once, some of it slow to compress and some quick. */
function largeLayer(): Buffer {
  return tarOf(
    Array.from({ length: 24 }, (_, index) => {
      const content = Buffer.alloc(MIB + index * 4321, `line ${index} of a file\n`)
      if (index % 3 === 0)
        for (let at = 0; at < content.length; at++) content[at] = (at * at * (index + 7)) >> (at % 13)
      return file(`large-${index}`, content)
    }),
  )
}

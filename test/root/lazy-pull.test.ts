/** The point of it all: an image of ours, pulled lazily from a registry by a client that is not ours. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ColdClient, push } from '../../bench/lazy/client.ts'
import { MeteredProxy, type WireRequest } from '../../bench/lazy/metered-proxy.ts'
import { type Registry, startRegistry } from '../../bench/lazy/registry.ts'
import { lackOfSnapshotter } from '../../bench/lazy/snapshotter.ts'
import type { LayerResult } from '../../optimizer/result.ts'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'

const SOURCE = 'docker.io/library/lazy:latest'
const HOT = randomBytes(300_000)
/** Far more than the client's granularity of 50,000 bytes. */
const COLD_FILE_BYTES = 2_000_000
/** Its output is short: `ctr run` now and then loses the end of a long one. */
const WORKLOAD = { Entrypoint: ['busybox', 'sha256sum', '/data/hot'] }
const skip = skipWithoutContainerd() || (process.env.CI ? false : lackOfSnapshotter())

const FORMATS = [
  { format: 'eStargz', tag: 'estargz', options: [] },
  { format: 'zstd:chunked', tag: 'zstdchunked', options: ['--zstdchunked'] },
]

describe('an optimized image, pulled lazily', { skip }, () => {
  let bench: OptimizerBench
  let registry: Registry
  let proxy: MeteredProxy

  before(async () => {
    bench = await OptimizerBench.open()
    registry = await startRegistry()
    proxy = await MeteredProxy.start(registry.port, null)
    const cold = ['a', 'b', 'c', 'z'].map((name) => [`data/${name}`, randomBytes(COLD_FILE_BYTES)])
    const layers = [busyboxFiles(), { 'data/': '', ...Object.fromEntries(cold), 'data/hot': HOT }]
    await bench.withStores((stores) => putImage(stores, SOURCE, layers, WORKLOAD))
  })
  after(async () => {
    await proxy?.stop()
    await registry?.stop()
    await bench?.close()
  })

  for (const { format, tag, options } of FORMATS)
    describe(`as ${format}`, () => {
      let layers: LayerResult[]
      let output: string
      let requests: WireRequest[]
      let wireBytes: number

      before(async () => {
        const name = `lazy:${tag}`
        const target = `docker.io/library/${name}`
        layers = (await bench.optimize(SOURCE, target, ['--period', '10s', ...options])).layers
        await push(bench.containerd.daemon, target, `127.0.0.1:${registry.port}/${name}`)
        const [requestsBefore, bytesBefore] = [proxy.requests.length, proxy.bytes]
        const client = await ColdClient.start('lazy', { backgroundFetch: false })
        try {
          await client.pull(`127.0.0.1:${proxy.port}/${name}`)
          output = (await client.run(`127.0.0.1:${proxy.port}/${name}`)).output
        } finally {
          await client.stop()
        }
        requests = proxy.requests.slice(requestsBefore)
        wireBytes = proxy.bytes - bytesBefore
      })

      it('runs and says what the original says', () => {
        assert.equal(output, `${createHash('sha256').update(HOT).digest('hex')}  /data/hot\n`)
      })

      it('has cost a fraction of its bytes on the wire when it has run', () => {
        const hot = sum(layers.map((layer) => layer.hotZoneBytes))
        const whole = sum(layers.map((layer) => layer.target.sizeBytes))
        assert.ok(wireBytes < whole / 4, `${wireBytes} of ${whole} bytes`)
        assert.ok(wireBytes < hot + COLD_FILE_BYTES, `${wireBytes} bytes for ${hot} bytes before landmarks`)
      })

      it('had what it reads fetched in one piece before it read: reading asked for nothing more', () => {
        for (const layer of layers) {
          const ranges = rangesOf(requests, layer)
          assert.ok(layer.hotZoneBytes > 0)
          // A probe of the size, the end with the table of contents, and all before the landmark, or before that end.
          const ends = ranges.filter(([, last]) => last === layer.target.sizeBytes - 1)
          const [[endsAt]] = ends as [[number, number]]
          const prefetched = Math.min(layer.hotZoneBytes, endsAt)
          const isPrefetch = ([first, last]: [number, number]) => first === 0 && last >= prefetched - 1
          assert.equal(ranges.filter(isPrefetch).length, 1, JSON.stringify(ranges))
          const others = ranges.filter((range) => !isPrefetch(range) && !ends.includes(range))
          assert.deepEqual(
            others,
            others.map(() => [0, 1]),
          )
        }
      })
    })

  it('can be recorded where it is mounted lazily, as soon as its layers are there too; the record says so', async () => {
    const reference = `127.0.0.1:${registry.port}/lazy:estargz`
    const client = await ColdClient.start('lazy', { backgroundFetch: false })
    try {
      await client.pull(reference)
      const { address, namespace } = client.daemon
      const where = ['--address', address, '--namespace', namespace]
      const record = () => bench.run(['record', reference, '--snapshotter', 'stargz', ...where])
      const before = await record()
      assert.deepEqual([before.code, before.stdout], [3, ''])
      assert.match(before.stderr, /lacks layer 0 .*`ctr content fetch .*docker:\/\/127/)
      await promisify(execFile)('ctr', [...where, 'content', 'fetch', '--plain-http', reference])
      const { stdout, stderr } = await record()
      const { header, entries } = parseRecord(stdout)
      assert.match(header.mark.reason, /2 of its 2 layers are mounted lazily/, stderr)
      const paths = entries.map(({ path }) => path.toString())
      assert.deepEqual(paths.sort(), ['bin/busybox', 'data/hot', 'etc/group', 'etc/passwd'])
    } finally {
      await client.stop()
    }
  })
})

/** First and last byte of every piece of a layer's blob that was asked for. */
function rangesOf(requests: WireRequest[], layer: LayerResult): [number, number][] {
  const gets = requests.filter(({ method, path }) => method === 'GET' && path.endsWith(layer.target.digest))
  return gets.map(({ range }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    return [Number(first ?? 0), Number(last ?? layer.target.sizeBytes - 1)]
  })
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** The point of it all: an image of ours, pulled lazily from a registry by a client that is not ours. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { agreementRow } from '../../bench/agreement-report.ts'
import { ColdClient, push } from '../../bench/lazy/client.ts'
import { MeteredProxy, type WireRequest } from '../../bench/lazy/metered-proxy.ts'
import { type Registry, startRegistry } from '../../bench/lazy/registry.ts'
import { lackOfSnapshotter } from '../../bench/lazy/snapshotter.ts'
import { explainImage } from '../../optimizer/explain-image.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { readRecord } from '../../optimizer/order/record-file.ts'
import { replayOf } from '../../optimizer/plan/replay.ts'
import type { LayerResult } from '../../optimizer/result.ts'
import { CLIENT } from '../../optimizer/simulate/client-model.ts'
import { factsAsIs, type OwnTime, ownTime } from '../../optimizer/simulate/facts-of-analysis.ts'
import { lazyStart } from '../../optimizer/simulate/lazy-start.ts'
import { link } from '../../optimizer/simulate/link.ts'
import { resolveImage } from '../../optimizer/store/resolve.ts'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { lackOfControllers } from '../helpers/cgroup-v2.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'

const SOURCE = 'docker.io/library/lazy:latest'
const STARTS_MAX = 3
const HOT = randomBytes(300_000)
/** Far more than the client's granularity of 50,000 bytes. */
const COLD_FILE_BYTES = 2_000_000
/** Its output is short: `ctr run` now and then loses the end of a long one. */
const WORKLOAD = { Entrypoint: ['busybox', 'sha256sum', '/data/hot'] }
const skip = skipWithoutContainerd() || (process.env.CI ? false : lackOfSnapshotter()) || lackOfControllers()

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
      const record = () => join(bench.temporaryFolder, `${tag}.record`)

      before(async () => {
        const name = `lazy:${tag}`
        const target = `docker.io/library/${name}`
        const recording = ['--period', '10s', '--record-out', record()]
        layers = (await bench.optimize(SOURCE, target, [...recording, ...options])).layers
        await push(bench.containerd.daemon, target, `127.0.0.1:${registry.port}/${name}`)
        await start()
      })

      /** On a machine that has never seen it. */
      async function start(): Promise<void> {
        const reference = `127.0.0.1:${proxy.port}/lazy:${tag}`
        const [requestsBefore, bytesBefore] = [proxy.requests.length, proxy.bytes]
        const client = await ColdClient.start('lazy', { backgroundFetch: false })
        try {
          await client.pull(reference)
          output = (await client.run(reference)).output
        } finally {
          await client.stop()
        }
        requests = proxy.requests.slice(requestsBefore)
        wireBytes = proxy.bytes - bytesBefore
      }

      it('runs and says what the original says', () => {
        assert.equal(output, `${createHash('sha256').update(HOT).digest('hex')}  /data/hot\n`)
      })

      it('has cost a fraction of its bytes on the wire when it has run', () => {
        const hot = sum(layers.map((layer) => layer.hotZoneBytes))
        const whole = sum(layers.map((layer) => layer.target.sizeBytes))
        assert.ok(wireBytes < whole / 4, `${wireBytes} of ${whole} bytes`)
        assert.ok(wireBytes < hot + COLD_FILE_BYTES, `${wireBytes} bytes for ${hot} bytes before landmarks`)
      })

      it('had what it reads fetched in one piece before it read, as its tables of contents and the simulator say', async () => {
        const { content, images } = bench.stores
        const image = await resolveImage(images, content, `docker.io/library/lazy:${tag}`, hostPlatform())
        const records = [
          { file: 'record', platform: null, record: readRecord(readFileSync(record(), 'utf8')) },
        ]
        const analysis = await explainImage(content, image, async () => null, {
          ...{ records, recordAnyLayer: false },
        })
        const own = ownTime(records[0]?.record.header ?? null, []) as OwnTime
        const predicted = lazyStart(factsAsIs(analysis, own), link(1e9, 0.001), CLIENT)
        const seen = () =>
          agreementRow({
            ...{ name: tag, plan: null, analysis, predicted, replay: replayOf(analysis) },
            ...{ requests, bytes: wireBytes },
          })
        // The client does not wait for what it fetches ahead in every case: on a busy machine it may read before that is there.
        for (let times = 1; times < STARTS_MAX && seen().onDemand.seen > 0; times++) await start()
        const row = seen()
        assert.deepEqual(
          row.layers.map(({ found, fetched }) => [found, fetched]),
          row.layers.map(({ expected }, index) => [layers[index]?.hotZoneBytes, expected]),
        )
        assert.deepEqual(row.onDemand, { said: 0, seen: 0 }, JSON.stringify(requests))
        assert.equal(row.requests.seen, row.requests.said)
        assert.ok(Math.abs(row.wireBytes.seen / row.wireBytes.said - 1) < 0.01, JSON.stringify(row.wireBytes))
        const { read, hits, misses } = row.replay
        assert.deepEqual([hits, misses], [read, 0])
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
      // Which accounts the runtime itself looks up, its versions do not agree on.
      const paths = entries.map(({ path }) => path.toString()).filter((path) => !path.startsWith('etc/'))
      assert.deepEqual(paths.sort(), ['bin/busybox', 'data/hot'])
    } finally {
      await client.stop()
    }
  })
})

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

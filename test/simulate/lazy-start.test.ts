import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CLIENT, type ClientModel } from '../../optimizer/simulate/client-model.ts'
import { fleetStart } from '../../optimizer/simulate/fleet.ts'
import { fullPull } from '../../optimizer/simulate/full-pull.ts'
import { lazyStart } from '../../optimizer/simulate/lazy-start.ts'
import { link } from '../../optimizer/simulate/link.ts'
import type { AccessOfStart, LayerOfStart, StartFacts } from '../../optimizer/simulate/start-facts.ts'

/** A machine that takes no time for anything: what is left is the link. */
const INSTANT: ClientModel = {
  ...CLIENT,
  ...{ headerBytes: 0, pullSeconds: 0, runSeconds: 0, mountSeconds: 0, cachedFileSeconds: 0 },
  ...{ readFileSeconds: 0, unpackFileSeconds: 0 },
  tocFilesPerSecond: Number.POSITIVE_INFINITY,
  readBytesPerSecond: Number.POSITIVE_INFINITY,
  contentBytesPerSecond: { gzip: 1e15, zstd: 1e15, none: 1e15 },
  unpackBytesPerSecond: { gzip: 1e15, zstd: 1e15, none: 1e15 },
}
/** 1 MB a second, a tenth of a second there and back. */
const SLOW = link(8e6, 0.1)
const MEGABYTE = 1e6

/** 10 MB of which the first `prefetchMegabytes` come first; its table is one piece at the end. */
function layer(prefetchMegabytes: number): LayerOfStart {
  return {
    sizeBytes: 10 * MEGABYTE,
    uncompressedBytes: 30 * MEGABYTE,
    files: 100,
    compression: 'gzip',
    lazy: {
      tocOffset: 10 * MEGABYTE - 100_000,
      tocBytes: 100_000,
      prefetchBytes: prefetchMegabytes * MEGABYTE,
      prefetchFiles: 10,
      prefetchContentBytes: 3 * prefetchMegabytes * MEGABYTE,
    },
  }
}

function access(atSeconds: number, offset: number, storedBytes = 50_000): AccessOfStart {
  return { atSeconds, layer: 0, pieces: [[offset, storedBytes, 2 * storedBytes]] }
}

function facts(parts: Partial<StartFacts>): StartFacts {
  return { documentBytes: 0, hasIndex: false, layers: [layer(0)], accesses: [], ownSeconds: 0, ...parts }
}

function assertSeconds(found: number, wanted: number): void {
  assert.ok(Math.abs(found - wanted) < 1e-3, `${found} s, expected ${wanted} s`)
}

describe('a lazy start', () => {
  it('asks for manifest, config, and four times for each layer', () => {
    const { requests, wireBytes, totalSeconds } = lazyStart(facts({}), SLOW, INSTANT)
    // HEAD, manifest, config; of the layer where it is, how large, its footer, its table.
    assert.equal(requests, 7)
    assert.equal(wireBytes, 100_002)
    // Seven round trips, one more for each of two new connections, and 100 kB.
    assertSeconds(totalSeconds, 0.9 + 0.1)
  })

  it('fetches what stands before the landmark in one request, and waits for it', () => {
    const { requests, pullSeconds, totalSeconds } = lazyStart(facts({ layers: [layer(2)] }), SLOW, INSTANT)
    assert.equal(requests, 8)
    assertSeconds(pullSeconds, 1)
    assertSeconds(totalSeconds, 1 + 0.1 + 2)
  })

  it('waits for that no longer than ten seconds', () => {
    const { totalSeconds } = lazyStart(facts({ layers: [layer(9)] }), link(1e6, 0), INSTANT)
    // 100 kB at 125 kB a second, then ten seconds of 72.
    assertSeconds(totalSeconds, 0.8 + 10)
  })

  it('asks for all layers at once: they share the link', () => {
    const one = lazyStart(facts({}), SLOW, INSTANT)
    const four = lazyStart(facts({ layers: [layer(0), layer(0), layer(0), layer(0)] }), SLOW, INSTANT)
    assert.equal(four.requests, 3 + 4 * 4)
    assertSeconds(four.totalSeconds - one.totalSeconds, 0.3)
  })

  it('makes the workload wait for what it reads and nobody has fetched', () => {
    const layers = [layer(2)]
    const accesses = [access(0.1, 0), access(0.2, 5 * MEGABYTE), access(0.3, 5 * MEGABYTE)]
    const start = lazyStart(facts({ layers, accesses, ownSeconds: 0.5 }), SLOW, INSTANT)
    assert.equal(start.onDemandRequests, 1)
    assertSeconds(start.runSeconds, 2.1 + 0.5 + 0.1 + 0.05)
  })

  it('fetches aligned pieces of 50,000 bytes, each once', () => {
    const read = (...accesses: AccessOfStart[]) =>
      lazyStart(facts({ accesses, ownSeconds: 1 }), SLOW, INSTANT).wireBytes - 100_002
    assert.equal(read(access(0, 0, 1)), 50_000)
    assert.equal(read(access(0, 49_999, 2)), 100_000)
    assert.equal(read(access(0, 0, 10), access(0, 20, 10)), 50_000)
    assert.equal(read(access(0, 9_990_000, 10)), 0)
  })

  it('reads a large piece in requests of at most 2 MiB', () => {
    const accesses = [access(0, 0, 4 * MEGABYTE)]
    assert.equal(lazyStart(facts({ accesses }), SLOW, INSTANT).onDemandRequests, 2)
  })

  it('pulls a layer without a table of contents in full', () => {
    const start = lazyStart(facts({ layers: [{ ...layer(0), lazy: null }] }), SLOW, INSTANT)
    assert.equal(start.requests, 4)
    assertSeconds(start.totalSeconds, 0.5 + 10)
  })

  it('leaves the rest for later', () => {
    assert.equal(lazyStart(facts({ layers: [layer(2)] }), SLOW, INSTANT).laterBytes, 7.9 * MEGABYTE)
  })
})

describe('a full pull', () => {
  it('takes all layers, and the workload’s own time', () => {
    const start = fullPull(facts({ layers: [layer(2), layer(2)], ownSeconds: 1 }), SLOW, INSTANT)
    assert.equal(start.requests, 5)
    assert.equal(start.wireBytes, 20 * MEGABYTE)
    // Three requests, of which one is on a new connection; one more of the layer that finds it idle; then the link is full.
    assertSeconds(start.totalSeconds, 0.4 + 0.1 + 20 + 1)
  })

  it('unpacks a layer while the next one is still on its way', () => {
    const slowDisk = { ...INSTANT, unpackBytesPerSecond: { gzip: 3e6, zstd: 1, none: 1 } }
    const layers = [{ ...layer(0), sizeBytes: MEGABYTE }, layer(0)]
    // The small one has the link for itself until the other has its connection, then half of it; unpacking takes longer.
    assertSeconds(fullPull(facts({ layers }), SLOW, slowDisk).totalSeconds, 0.4 + 0.1 + 0.1 + 1.8 + 10 + 10)
  })
})

describe('a fleet', () => {
  it('has of each machine’s link no more than its share of the registry’s', () => {
    const fleet = { replicas: 100, registryBitsPerSecond: 80e6 }
    const { start, registryBytes, registryRequests, registryUse } = fleetStart(
      fullPull,
      facts({}),
      SLOW,
      fleet,
    )
    assert.ok(start.totalSeconds > 100, `${start.totalSeconds} s for 10 MB at 100 kB a second`)
    assert.equal(registryRequests, 400)
    assert.equal(registryBytes, start.wireBytes * 100)
    assert.ok(registryUse > 0.95 && registryUse <= 1, String(registryUse))
  })

  it('is as fast as one machine where the registry can send enough', () => {
    const fleet = { replicas: 10, registryBitsPerSecond: 1e9 }
    const alone = lazyStart(facts({}), SLOW, CLIENT)
    assert.deepEqual(fleetStart(lazyStart, facts({}), SLOW, fleet).start, alone)
  })
})

/** Images in a real registry: with TLS and a password, over a bad network, and as containerd pulls and runs them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ColdClient } from '../../bench/lazy/client.ts'
import { type Registry, startRegistry } from '../../bench/lazy/registry.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { lackOfControllers } from '../helpers/cgroup-v2.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { FaultyProxy } from '../helpers/faulty-proxy.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'

const TLS = fileURLToPath(new URL('../../../test/fixtures/tls', import.meta.url))
/** Password `a:secret`. */
const PASSWORDS = 'team:$2b$04$abcdefghijklmnopqrstuua4N8fNiWEz07oDt5gQqvWR8Z.VJUoOm\n'
const SOURCE = 'docker.io/library/served:latest'
const HOT = randomBytes(100_000)
/** Its output is short: `ctr run` now and then loses the end of a long one. */
const WORKLOAD = { Entrypoint: ['busybox', 'sha256sum', '/data/hot'] }

describe('an image in a registry', { skip: skipWithoutContainerd() }, () => {
  let bench: OptimizerBench
  let registry: Registry
  let folder: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'registry-test-'))
    bench = await OptimizerBench.open()
    registry = await startRegistry()
    const layers = [busyboxFiles(), { 'data/': '', 'data/a': randomBytes(3_000_000), 'data/hot': HOT }]
    await bench.withStores((stores) => putImage(stores, SOURCE, layers, WORKLOAD))
  })
  after(async () => {
    await registry?.stop()
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function succeed(...args: string[]) {
    const { code, stdout, stderr } = await bench.run(args)
    assert.equal(code, 0, stderr)
    return stdout
  }

  const skip = lackOfControllers()
  it('is optimized into another one without a daemon, pulled and run by containerd; its record is found beside it', {
    skip,
  }, async () => {
    const at = (tag: string) => `127.0.0.1:${registry.port}/team/served:${tag}`
    await succeed('convert', SOURCE, `docker://${at('1')}`, '--no-optimize')
    const optimize = [
      'optimize',
      `docker://${at('1')}`,
      `docker://${at('esgz')}`,
      '--attach-record',
      '--verify',
      '--json',
    ]
    const daemonless = { CONTAINERD_ADDRESS: join(folder, 'none'), XDG_CACHE_HOME: folder }
    const { code, stdout, stderr } = await bench.run(optimize, daemonless)
    assert.equal(code, 0, stderr)
    const client = await ColdClient.start('full')
    try {
      await client.pull(at('esgz'))
      assert.match((await client.run(at('esgz'))).output, /^[0-9a-f]{64} {2}\/data\/hot\n$/)
    } finally {
      await client.stop()
    }
    const again = [
      'convert',
      `docker://${at('1')}`,
      `docker://${at('again')}`,
      '--record-from-registry',
      '--json',
    ]
    const converted: ConversionResult = JSON.parse(await succeed(...again))
    const layers = ({ layers: all }: ConversionResult) => all.map(({ target }) => target)
    assert.deepEqual(layers(converted), layers(JSON.parse(stdout)))
    assert.ok(converted.layers.some(({ prioritizedFiles }) => prioritizedFiles > 0))
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('gets there and back over a network that breaks off and a registry that is busy', async () => {
    const proxy = await FaultyProxy.start(registry.port)
    try {
      proxy.faults = [
        { on: /^POST .*uploads/, does: { kind: 'answer', status: 429, headers: { 'retry-after': '0' } } },
        { on: /^PUT .*uploads/, does: { kind: 'cut the request', afterBytes: 1_000_000 } },
        { on: /^PUT .*manifests/, does: { kind: 'answer', status: 503 } },
      ]
      const place = `docker://127.0.0.1:${proxy.port}/team/shaky:1`
      await succeed('convert', SOURCE, place, '--no-optimize')
      assert.deepEqual(proxy.faults, [])
      proxy.faults = [
        { on: /^GET .*blobs/, does: { kind: 'answer', status: 500 } },
        { on: /^GET .*blobs/, does: { kind: 'cut the answer', afterBytes: 500_000 } },
        { on: /^GET .*blobs/, does: { kind: 'cut the answer', afterBytes: 700_000 } },
      ]
      await succeed('convert', place, `oci:${join(folder, 'back')}:1`, '--no-optimize', '--verify')
      assert.deepEqual(proxy.faults, [])
    } finally {
      await proxy.stop()
    }
  })

  describe('that has a certificate of its own and asks for a password', () => {
    let closed: Registry
    let place: string
    before(async () => {
      const tls = { certificate: join(TLS, 'server.pem'), key: join(TLS, 'server.key') }
      closed = await startRegistry({ tls, passwords: PASSWORDS })
      place = `docker://127.0.0.1:${closed.port}/team/served:1`
    })
    after(() => closed?.stop())

    it('is written and read with both', async () => {
      const options = ['--registry-ca', join(TLS, 'ca.pem'), '--creds', 'team:a:secret']
      await succeed('convert', SOURCE, place, '--no-optimize', ...options)
      // The same from files: the authority in a folder for the registry, the login in podman's file.
      const certificates = join(folder, 'certs.d', `127.0.0.1:${closed.port}`)
      mkdirSync(certificates, { recursive: true })
      copyFileSync(join(TLS, 'ca.pem'), join(certificates, 'ca.crt'))
      const auth = Buffer.from('team:a:secret').toString('base64')
      const logins = join(folder, 'auth.json')
      writeFileSync(logins, JSON.stringify({ auths: { [`127.0.0.1:${closed.port}/team`]: { auth } } }))
      const files = ['--hosts-dir', join(folder, 'certs.d'), '--registry-config', logins]
      await succeed('inspect', place, ...files)
    })

    it('is refused without one of them, with what to do', async () => {
      const trusting = ['--registry-ca', join(TLS, 'ca.pem')]
      const refusals: [options: string[], message: RegExp][] = [
        [['--plain-http=false'], /no trusted TLS connection to 127.*--registry-ca/],
        [[], /speaks TLS.*--plain-http=false/],
        [trusting, /wants to know who asks.*docker login/],
        [[...trusting, '--creds', 'team:other'], /does not let team in/],
      ]
      const environment = { DOCKER_CONFIG: folder, HOME: folder }
      await Promise.all(
        refusals.map(async ([options, message]) => {
          const { code, stderr } = await bench.run(['inspect', place, ...options], environment)
          assert.equal(code, 3, stderr)
          assert.match(stderr, message)
        }),
      )
    })
  })
})

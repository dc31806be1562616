/** Workloads in a network that real CNI plugins make: they reach the host and each other, and leave nothing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutBridges, TestNetwork } from '../helpers/cni.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const skip = skipWithoutContainerd() || skipWithoutFanotify() || skipWithoutBridges()

describe('a workload with --cni', { skip }, () => {
  let bench: OptimizerBench
  let network: TestNetwork
  let server: Server
  let port: number
  before(async () => {
    bench = await OptimizerBench.open()
    network = new TestNetwork()
    const layers = [busyboxFiles(), { 'web/': '', 'web/index.html': 'from the other\n' }]
    await bench.withStores((stores) => putImage(stores, 'source', layers, { Env: ['PATH=/bin'] }))
    server = createServer((_, response) => response.end('from the host\n')).listen(0)
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  after(async () => {
    server?.close()
    network?.remove()
    await bench?.close()
  })
  afterEach(async () => assert.deepEqual([...(await bench.leftovers()), ...network.traces()], []))

  const record = (script: string, options: string[]) => [
    ...['record', 'source', '--period', '60s', '--entrypoint', JSON.stringify(['/bin/sh', '-c', script])],
    ...options,
  ]

  it('reaches the host and another workload, whose network is given back even if it was killed', async () => {
    const other = bench.spawn(record('httpd -p 8080 -h /web; echo up; sleep 1000', network.options))
    const exit = once(other, 'exit')
    let said = ''
    other.stderr?.on('data', (bytes) => {
      said += bytes
    })
    await says(other, /\| up/)
    const [, address] = /network: "test-network", address ([\d.]+)\/24/.exec(said) ?? []
    const asks = `wget -qO- http://${network.gateway}:${port}/; wget -qO- http://${address}:8080/; cat /etc/resolv.conf`
    const { code, stderr } = await bench.run(record(asks, network.options))
    assert.equal(code, 0, stderr)
    assert.match(
      stderr,
      new RegExp(
        `\\| from the host\n\\| from the other\n\\| nameserver ${network.gateway}\n\\| search a\\.test\n`,
      ),
    )

    other.kill('SIGKILL')
    await exit
    assert.notDeepEqual(network.traces(), [])
    const cleaned = await bench.run(['clean'])
    assert.equal(cleaned.code, 0, cleaned.stderr)
    assert.match(cleaned.stdout, /network/)
  })

  it('that a plugin does not let go of is left by clean, once the plugin does', async () => {
    const { options, relent } = network.stubborn()
    const { stderr } = await bench.run(record('true', options))
    assert.match(stderr, /could not remove the network "test-network": .* failed at DEL/)
    assert.notDeepEqual(network.traces(), [])
    relent()
    const cleaned = await bench.run(['clean'])
    assert.equal(cleaned.code, 0, cleaned.stderr)
    assert.match(cleaned.stdout, /network/)
  })

  it('and without it reaches nobody', async () => {
    const { code, stderr } = await bench.run(record(`wget -qO- http://${network.gateway}:${port}/`, []))
    assert.equal(code, 4, stderr)
  })

  it('fails in the words of a plugin that refuses, and leaves nothing', async () => {
    const { code, stderr } = await bench.run(record('true', [...network.options, '--cni-network', 'full']))
    assert.equal(code, 3, stderr)
    assert.match(
      stderr,
      /^optimizer: the network "full": its plugin "bridge" failed at ADD: .*\[CNI_FAILED\]$/m,
    )
  })
})
